/** The deadline that the headers of an HTTP request give. */
import type { IncomingHttpHeaders } from 'node:http'
import { InferenceError } from '../core/errors.ts'

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

/**
 * Time that the caller waits, in milliseconds: the shorter one of `X-Request-Timeout` (seconds, or with a unit: `500ms`,
 * `2s`; 0 is none) and `x-envoy-expected-rq-timeout-ms`, by which Envoy tells how long it waits itself.
 *
 * @returns undefined where no header gives one
 * @throws InferenceError `invalid_argument` where `X-Request-Timeout` is no such text
 */
export function timeoutOf(headers: IncomingHttpHeaders): number | undefined {
  const asked = headers['x-request-timeout']
  const expected = headers['x-envoy-expected-rq-timeout-ms']
  if (asked === undefined && expected === undefined) return undefined
  const own = asked === undefined ? Infinity : readTimeout(String(asked))
  const proxy = /^\d{1,12}$/.test(String(expected)) ? Number(expected) : 0 // a proxy's fault is not the caller's
  const shorter = Math.min(own === 0 ? Infinity : own, proxy === 0 ? Infinity : proxy)
  return shorter === Infinity ? undefined : shorter
}

function readTimeout(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,12})?)\s*(us|ms|s|m)?$/.exec(text.trim())
  if (match === null) {
    throw new InferenceError(
      'invalid_argument',
      `header 'X-Request-Timeout' must be seconds, or a number with the unit us, ms, s or m, such as 500ms; got '${text}'`,
    )
  }
  return Number(match[1]) * (unitMs[match[2] ?? 's'] ?? 1)
}
