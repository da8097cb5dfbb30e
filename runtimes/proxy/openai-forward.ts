/** One exchange of an OpenAI client through an upstream: the head of the answer, then its body as it comes. */
import { scanOpenAiBody, withModel } from '../../src/codec/index.ts'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { brokenOff, UpstreamError } from './errors.ts'
import type { HttpUpstream } from './http-exchange.ts'
import type { ForwardedCall, ForwardedPiece, Headers, HttpExchange } from './wire.ts'

/** An error's text is read as a whole: it may have to wait for the attempt at another upstream. */
const longestErrorBytes = 64 * 1024

/** What takes so long that a connection of its own costs nothing beside it. */
const generating = /\/(completions|responses|messages)(\?|$)/

/** An answer by which an upstream refuses: asked of another one, else passed on as it is. */
export class ForwardedRefusal extends UpstreamError {
  readonly answer: ForwardedPiece

  constructor(url: string, answer: ForwardedPiece) {
    const { status } = answer
    const code = status === 429 ? 'resource_exhausted' : status === 504 ? 'deadline_exceeded' : 'unavailable'
    // 429 and 503 say that nothing was done; a gateway's 502 and 504 do not.
    const mayHaveRun = status !== 429 && status !== 503
    super(code, `${url} answered with status ${status}`, { mayHaveRun, isFault: status !== 429 })
    this.answer = answer
  }
}

const refusals: readonly number[] = [429, 502, 503, 504]

/**
 * Sends the call with the model's name there. Ending the iteration closes the connection.
 *
 * @param model undefined where the body's own name is known there
 * @throws ForwardedRefusal before the first piece; UpstreamError where the connection breaks; the reason of the signal
 */
export async function* forwardTo(
  upstream: HttpUpstream,
  call: ForwardedCall,
  model: string,
  exchange: HttpExchange,
): AsyncGenerator<ForwardedPiece, void> {
  const incoming = await upstream.open(
    {
      method: 'POST',
      path: call.path,
      headers: {
        'content-type': call.contentType,
        'accept-encoding': 'identity',
        ...(call.accept === undefined ? {} : { accept: call.accept }),
      },
      body: [renamed(call, model)],
      isAlone: generating.test(call.path),
    },
    exchange,
  )
  const status = incoming.statusCode ?? 502
  const headers = headersOf(incoming.headers)
  const piece = (bytes: Uint8Array): ForwardedPiece => ({ status, headers, bytes })
  try {
    if (refusals.includes(status)) throw new ForwardedRefusal(upstream.url, piece(await readError(incoming)))
    yield piece(new Uint8Array(0))
    for await (const chunk of incoming) yield piece(chunk as Uint8Array) // a stream without an encoding gives bytes
  } catch (reason) {
    if (exchange.signal.aborted) throw InferenceError.from(exchange.signal.reason)
    throw reason instanceof InferenceError ? reason : brokenOff(upstream.url, messageOf(reason), reason)
  } finally {
    incoming.destroy() // without effect where it has ended; else nothing more is computed for nobody
  }
}

/** Only JSON bodies name a model; everything else is passed on as it is. */
function renamed({ body, contentType }: ForwardedCall, model: string): Uint8Array {
  if (contentType.startsWith('multipart/')) return body
  const scanned = scanOpenAiBody(body)
  return scanned.model === model ? body : withModel(body, scanned, model)
}

async function readError(incoming: AsyncIterable<unknown>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of incoming) {
    const bytes = chunk as Uint8Array // a stream without an encoding gives bytes
    parts.push(bytes)
    length += bytes.byteLength
    if (length > longestErrorBytes) break
  }
  return Buffer.concat(parts)
}

function headersOf(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) texts[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return texts
}
