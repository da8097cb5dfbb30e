/** What the server and a process that holds one session say to each other. Replies come in the order of the requests. */
import { deserialize, serialize } from 'node:v8'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Batch } from '../core/model.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { encodeFrame } from './frames.ts'
import type { Frame } from './frames.ts'
import { layOut, unpackRows } from './transfer.ts'
import type { Row } from './transfer.ts'

/** File descriptors of a process: messages both ways, and a pipe that closes when the server is gone. */
export const messagesFd = 3
export const lifelineFd = 4

export type ProcessRequest =
  | { readonly kind: 'open'; readonly module: string; readonly options: unknown }
  | { readonly kind: 'run'; readonly batch: Batch }
  | { readonly kind: 'close' }

export type ProcessReply =
  | { readonly kind: 'opened'; readonly info: unknown; readonly memoryBytes: number }
  | { readonly kind: 'ran'; readonly outputs: readonly Tensor[] }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

/** The JSON headers; what is not said there lies in the body: tensors, or one value in V8's form. */
type RequestHeader =
  | { readonly kind: 'open'; readonly module: string }
  | {
      readonly kind: 'run'
      readonly rows: readonly Row[]
      readonly outputs?: readonly string[]
      readonly parameters?: Parameters
    }
  | { readonly kind: 'close' }

type ReplyHeader =
  | { readonly kind: 'opened'; readonly memoryBytes: number }
  | { readonly kind: 'ran'; readonly rows: readonly Row[] }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

/** @returns pieces to write; tensors are not copied and stay as they are until then */
export function encodeRequest(request: ProcessRequest): Uint8Array[] {
  switch (request.kind) {
    case 'open':
      return frame({ kind: 'open', module: request.module }, [serialize(request.options)])
    case 'run': {
      const { outputs, parameters, inputs } = request.batch
      const { rows, parts } = layOut(inputs)
      const wanted = outputs === undefined ? {} : { outputs }
      return frame({ kind: 'run', rows, ...wanted, ...(parameters === undefined ? {} : { parameters }) }, parts)
    }
    case 'close':
      return frame({ kind: 'close' })
  }
}

/** Tensors are views on the body. */
export function decodeRequest({ header, body }: Frame): ProcessRequest {
  const request = JSON.parse(header) as RequestHeader // made by encodeRequest() of this same program
  switch (request.kind) {
    case 'open':
      return { kind: 'open', module: request.module, options: deserialize(new Uint8Array(body)) }
    case 'run': {
      const { rows, outputs, parameters } = request
      const wanted = outputs === undefined ? {} : { outputs }
      const inputs = unpackRows(rows, [body])
      return { kind: 'run', batch: { inputs, ...wanted, ...(parameters === undefined ? {} : { parameters }) } }
    }
    case 'close':
      return request
  }
}

/** @returns pieces to write; tensors are not copied */
export function encodeReply(reply: ProcessReply): Uint8Array[] {
  switch (reply.kind) {
    case 'opened':
      return frame({ kind: 'opened', memoryBytes: reply.memoryBytes }, [serialize(reply.info)])
    case 'ran': {
      const { rows, parts } = layOut(reply.outputs)
      return frame({ kind: 'ran', rows }, parts)
    }
    case 'closed':
    case 'failed':
      return frame(reply)
  }
}

export function decodeReply({ header, body }: Frame): ProcessReply {
  const reply = JSON.parse(header) as ReplyHeader // made by encodeReply() of this same program
  switch (reply.kind) {
    case 'opened':
      return { ...reply, info: deserialize(new Uint8Array(body)) as unknown }
    case 'ran':
      return { kind: 'ran', outputs: unpackRows(reply.rows, [body]) }
    case 'closed':
    case 'failed':
      return reply
  }
}

/** An error as plain data. */
export function failureOf(reason: unknown): ProcessReply {
  const code = reason instanceof InferenceError ? reason.code : 'internal'
  return { kind: 'failed', code, message: messageOf(reason) }
}

function frame(header: RequestHeader | ReplyHeader, parts: readonly Uint8Array[] = []): Uint8Array[] {
  return encodeFrame(JSON.stringify(header), parts)
}
