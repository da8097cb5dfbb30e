/** Between texts, bodies and errors, for tests of the codecs. */
import { InferenceError } from '../../src/core/errors.ts'
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Tensor } from '../../src/core/tensor.ts'

export function bytes(text: string): Buffer {
  return Buffer.from(text)
}

/** A body as one piece. */
export function whole(body: Uint8Array | readonly Uint8Array[]): Buffer {
  return Buffer.concat(body instanceof Uint8Array ? [body] : body)
}

/** The code and message of the error that `work` throws. */
export function refusal(work: () => unknown): { readonly code: ErrorCode; readonly message: string } {
  try {
    work()
  } catch (reason) {
    if (reason instanceof InferenceError) return { code: reason.code, message: reason.message }
    throw reason
  }
  throw new Error('nothing was thrown')
}

/** BYTES elements, comparable whether they are Buffers or not. */
export function hex(data: Tensor['data']): string[] {
  if (!Array.isArray(data)) throw new Error('not BYTES')
  return data.map((element: Uint8Array) => Buffer.from(element).toString('hex'))
}
