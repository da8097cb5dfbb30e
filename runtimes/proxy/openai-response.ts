/** The pieces of a forwarded answer as a `Response` whose body is fetched as it is read. */
import { InferenceError, type RequestContext } from '../../src/runtime/index.ts'
import type { HeaderFilter } from './headers.ts'
import { ForwardedRefusal } from './openai-forward.ts'
import type { Pool } from './pool.ts'
import type { ForwardedPiece, Wire } from './wire.ts'

/**
 * Passes an exchange on: to the least loaded upstream, to another one where it refuses, and back as it comes.
 *
 * @throws InferenceError where no upstream answers
 */
export async function forwardBy(
  pool: Pool<Wire>,
  call: Request,
  context: RequestContext,
  returned: HeaderFilter,
): Promise<Response> {
  const { pathname, search } = new URL(call.url)
  const accept = call.headers.get('accept') ?? undefined
  const contentType = call.headers.get('content-type') ?? 'application/json'
  const forwarded = { path: pathname + search, contentType, accept, body: new Uint8Array(await call.arrayBuffer()) }
  const { requestId, protocol, headers, signal } = context
  // Whoever stops reading ends the exchange, also where the caller of this server is still there.
  const controller = new AbortController()
  const follow = (): void => controller.abort(signal.reason)
  if (signal.aborted) follow()
  else signal.addEventListener('abort', follow, { once: true })
  const pieces = withEnd(
    pool.stream({ requestId, protocol, headers, signal: controller.signal }, (wire, exchange) => {
      if (wire.forward === undefined) throw new InferenceError('unimplemented', `${wire.url} speaks no OpenAI protocol`)
      return wire.forward(forwarded, exchange)
    }),
    () => signal.removeEventListener('abort', follow),
  )
  return responseOf(pieces, (reason) => controller.abort(InferenceError.from(reason)), returned)
}

async function* withEnd<T>(items: AsyncGenerator<T, void>, onEnd: () => void): AsyncGenerator<T, void> {
  try {
    yield* items
  } finally {
    onEnd()
  }
}

/** What every client of OpenAI may read, beside what the options name. */
const told = /^(content-type|content-length|retry-after|retry-after-ms|x-request-id|x-ratelimit-.*|openai-.*)$/
/** Statuses that have no body. */
const bodiless: readonly number[] = [204, 205, 304]

/**
 * Waits for the head of the answer.
 *
 * @param pieces ended where the body is cancelled
 * @param cancel fires the signal of the exchange
 * @param returned picks further headers for the caller
 * @throws what `pieces` throws before its first piece, but for a refusal, which becomes the answer
 */
async function responseOf(
  pieces: AsyncGenerator<ForwardedPiece, void>,
  cancel: (reason: unknown) => void,
  returned: HeaderFilter,
): Promise<Response> {
  let head: ForwardedPiece
  try {
    const first = await pieces.next()
    if (first.done === true) return new Response(null, { status: 502 })
    head = first.value
  } catch (reason) {
    if (!(reason instanceof ForwardedRefusal)) throw reason
    const { status, bytes, headers } = reason.answer
    const kept = Object.entries(passed(headers, returned)).filter(([name]) => name !== 'content-length')
    return new Response(Buffer.from(bytes), { status, headers: Object.fromEntries(kept) })
  }
  const status = head.status >= 200 && head.status <= 599 ? head.status : 502
  const headers = passed(head.headers, returned)
  if (bodiless.includes(status)) {
    await pieces.return()
    return new Response(null, { status, headers })
  }
  return new Response(bodyOf(pieces, cancel), { status, headers })
}

function passed(headers: Readonly<Record<string, string>>, returned: HeaderFilter): Record<string, string> {
  const own = Object.entries(headers).filter(([name, value]) => told.test(name) && /^[\x20-\x7e]*$/.test(value))
  return { ...returned(headers), ...Object.fromEntries(own) }
}

/** Asks for the next piece when the last one was taken: a slow caller holds the upstream back. */
function bodyOf(
  pieces: AsyncGenerator<ForwardedPiece, void>,
  cancel: (reason: unknown) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const next = await pieces.next()
        if (next.done === true) controller.close()
        else controller.enqueue(next.value.bytes)
      },
      cancel: async (reason) => {
        cancel(reason)
        await pieces.return()
      },
    },
    { highWaterMark: 0 },
  )
}
