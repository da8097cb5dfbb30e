/** What a gRPC call carries beside its message, as header fields. */
import { InferenceError } from '../../src/runtime/index.ts'
import { literals } from './http2/hpack-encoder.ts'
import type { Headers } from './wire.ts'

/** Longest time that `grpc-timeout` can tell in milliseconds: eight digits. */
const longestTimeoutMs = 99_999_999

/** Headers of an upstream's own are the same object again and again: so is their block. */
const blocks = new WeakMap<Headers, Buffer>()
/** Calls that begin within a millisecond are the same in all of it. */
const last: { ms: number; headers: Headers | undefined; block: Buffer } = {
  ms: 0,
  headers: undefined,
  block: Buffer.alloc(0),
}

/** @param deadline in milliseconds since 1970 @throws InferenceError `invalid_argument` where a header cannot be sent */
export function metadataFields(deadline: number, headers: Headers): Buffer {
  const leftMs = Math.min(longestTimeoutMs, Math.max(1, Math.ceil(deadline - Date.now())))
  if (last.ms !== leftMs || last.headers !== headers) {
    last.block = Buffer.concat([literals([['grpc-timeout', `${leftMs}m`]]), blockOf(headers)])
    last.ms = leftMs
    last.headers = headers
  }
  return last.block
}

function blockOf(headers: Headers): Buffer {
  let block = blocks.get(headers)
  if (block === undefined) {
    block = literals(checked(headers))
    blocks.set(headers, block)
  }
  return block
}

function checked(headers: Headers): [string, string][] {
  const fields = Object.entries(headers)
  for (const [name, value] of fields) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new InferenceError(
        'invalid_argument',
        `header '${name}': must be one line of visible letters to be sent on`,
      )
    }
  }
  return fields
}
