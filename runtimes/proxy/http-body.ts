/** What an HTTP answer holds, as far as it makes sense. */
import type { HttpAnswer } from '../../src/codec/index.ts'
import { senseless } from './errors.ts'
import type { Headers } from './wire.ts'

/** @throws UpstreamError where the body is no JSON */
export function jsonOf({ body, label }: HttpAnswer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (reason) {
    throw senseless(label, `it is no JSON but '${body.subarray(0, 60).toString('utf8')}'`, reason)
  }
}

/** The headers of an answer, each as one text. */
export function headersIn({ headers }: HttpAnswer): Headers {
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) texts[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return texts
}
