/** One gRPC call with any number of answers. */
import type { GrpcAnswer } from './grpc-exchange.ts'
import { FrameReader } from './grpc-frames.ts'
import { Outcome } from './grpc-outcome.ts'
import type { CallRequest, Failure } from './http2/call.ts'
import type { Http2Connection } from './http2/connection.ts'
import type { Exchange } from './wire.ts'

interface Asked {
  readonly request: CallRequest
  readonly exchange: Exchange
}

/** Where it goes, and how large a message may be. */
interface Place {
  readonly url: string
  readonly path: string
  readonly maxBytes: number
}

/** Ending the iteration cancels the call; the peer is held back while nobody reads. @throws UpstreamError, or the reason of the signal */
export async function* streamed(
  connection: Http2Connection,
  { request, exchange }: Asked,
  { url, path, maxBytes }: Place,
): AsyncGenerator<GrpcAnswer, void> {
  const outcome = new Outcome(url)
  const chunks: Buffer[] = []
  let wake = (): void => undefined
  let failure: Failure | undefined
  let isEnded = false
  const call = connection.request(request, {
    head: (fields) => outcome.add(fields),
    data: (chunk) => {
      chunks.push(chunk)
      wake()
    },
    end: (why) => {
      failure = why
      isEnded = true
      wake()
    },
  })
  exchange.onOver = () => call.cancel()
  const reader = new FrameReader(`${url}${path}`, maxBytes)
  let reason: unknown
  try {
    for (;;) {
      refuseOver(exchange)
      const chunk = chunks.shift()
      if (chunk !== undefined) {
        for (const message of reader.push(chunk)) yield { message, headers: { ...outcome.headers } }
        call.consumed(chunk.length)
      } else if (isEnded) break
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  } catch (thrown) {
    reason = thrown
  } finally {
    exchange.onOver = undefined
    call.cancel()
  }
  const error = outcome.error(failure, reason)
  if (error !== undefined) throw error
}

function refuseOver({ over }: Exchange): void {
  if (over !== undefined) throw over
}
