/** Headers that a model or a hook gives its answer: which of them may travel. */
import { InferenceError } from '../core/errors.ts'

/** Tells which revision of a model answered, where it has revisions. */
export const revisionHeader = 'x-servable-revision'

/** What the door itself says of the body and the connection. */
const reserved =
  /^(content-.*|transfer-encoding|connection|keep-alive|proxy-.*|te|trailer|upgrade|date|vary|inference-header-content-length|x-request-id|x-servable-revision|grpc-.*|host)$/

/**
 * The headers that a model set, less those that are the door's own to set: an answer that was fetched elsewhere may bring
 * them.
 *
 * @returns names in lower case
 * @throws InferenceError `internal` for names and values that no header can carry: the fault is the model's
 */
export function answerHeaders(headers: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const passed: (readonly [string, string])[] = []
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase()
    if (reserved.test(name)) continue
    if (!/^[a-z0-9._-]+$/.test(name) || !/^[\x20-\x7e]*$/.test(value)) {
      const cause = new Error(`the model set the header ${JSON.stringify(given)} to what no header can carry`)
      throw new InferenceError('internal', 'internal error', { cause })
    }
    passed.push([name, value])
  }
  return passed
}
