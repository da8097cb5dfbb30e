/** What the main thread and a worker thread say to each other. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Parameters } from '../core/tensor.ts'
import type { Packed } from './transfer.ts'

/** A request; `id` is set when it is sent and repeated in its reply, `session` is chosen by the main thread. */
export type Request =
  | {
      readonly kind: 'open'
      id: number
      readonly session: number
      readonly module: string
      readonly options: unknown
    }
  | {
      readonly kind: 'run'
      id: number
      readonly session: number
      readonly inputs: Packed
      readonly outputs: readonly string[] | undefined
      readonly parameters: Parameters | undefined
    }
  | { readonly kind: 'close'; id: number; readonly session: number }

export type Reply =
  | { readonly kind: 'opened'; readonly id: number; readonly info: unknown }
  | { readonly kind: 'ran'; readonly id: number; readonly outputs: Packed }
  | { readonly kind: 'closed'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly code: ErrorCode; readonly message: string }

/** An error as plain data: a class does not survive the border. */
export function encodeError(id: number, reason: unknown): Reply {
  const code = reason instanceof InferenceError ? reason.code : 'internal'
  return { kind: 'failed', id, code, message: messageOf(reason) }
}
