/** Requests and answers as no wire has them: what every wire must carry alike. */
import type { ErrorCode } from '../../src/core/errors.ts'
import type { DataType } from '../../src/core/tensor.ts'

/** Text is an element of BYTES, in UTF-8; FP16 and BF16 are given by their bits. */
export type Element = number | bigint | boolean | string | { readonly hex: string }

export interface NeutralTensor {
  readonly name: string
  readonly datatype: DataType
  readonly shape: readonly number[]
  /** Row-major. */
  readonly data: readonly Element[]
}

export type ParameterValue = string | number | boolean

export interface NeutralRequest {
  readonly model: string
  readonly version?: string
  readonly id?: string
  readonly inputs: readonly NeutralTensor[]
  readonly outputs?: readonly { readonly name: string; readonly classification?: number }[]
  readonly parameters?: Readonly<Record<string, ParameterValue>>
}

export interface NeutralAnswer {
  readonly model: string
  readonly version: string
  /** Compared where the request had one. */
  readonly id?: string
  readonly outputs: readonly NeutralTensor[]
}

/** What went wrong: the status in the wire's own word, and the text. */
export interface NeutralRefusal {
  readonly status: string
  readonly message: string
}

export type Outcome = { readonly answer: NeutralAnswer } | { readonly refusal: NeutralRefusal }

/** The status of each code, as HTTP and as gRPC have it; written out here so that the servers' own tables are tested. */
export const statuses: Readonly<Partial<Record<ErrorCode, { readonly http: string; readonly grpc: string }>>> = {
  invalid_argument: { http: '400', grpc: 'INVALID_ARGUMENT' },
  not_found: { http: '404', grpc: 'NOT_FOUND' },
  failed_precondition: { http: '400', grpc: 'FAILED_PRECONDITION' },
  resource_exhausted: { http: '503', grpc: 'RESOURCE_EXHAUSTED' },
  unavailable: { http: '503', grpc: 'UNAVAILABLE' },
  deadline_exceeded: { http: '504', grpc: 'DEADLINE_EXCEEDED' },
  unimplemented: { http: '501', grpc: 'UNIMPLEMENTED' },
  internal: { http: '500', grpc: 'INTERNAL' },
}
