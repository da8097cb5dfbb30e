/** Many responses to one request over REST: server-sent events, in the forms of MLServer and of Triton. */
import type { ModelDescription } from '../codec/description.ts'
import { errorOf } from '../codec/http-status.ts'
import { decodeGenerateResponse, decodeV2Response, encodeGenerateRequest, encodeV2Request } from '../codec/index.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { HttpServer, HttpStream } from './http.ts'
import { readEvents } from './server-events.ts'
import type { CallContext } from './transport.ts'

/** `infer_stream` takes and gives whole V2 messages, `generate_stream` flat objects. */
type Form = 'infer_stream' | 'generate_stream'

const headers = { 'content-type': 'application/json', accept: 'text/event-stream, application/json' }

/** Streams from one server; which of the two forms it speaks is found out once. */
export class RestStreams {
  readonly #server: HttpServer
  readonly #describe: (request: InferenceRequest, context: CallContext) => Promise<ModelDescription>
  #form: Form | undefined

  /** @param describe asks the server for the metadata of a model: Triton's form tells no datatypes */
  constructor(
    server: HttpServer,
    describe: (request: InferenceRequest, context: CallContext) => Promise<ModelDescription>,
  ) {
    this.#server = server
    this.#describe = describe
  }

  /** @param path of the model. @throws InferenceError as every call; `internal` with the text of an error in the stream */
  async *responses(
    path: string,
    request: InferenceRequest,
    context: CallContext,
  ): AsyncGenerator<InferenceResponse, void> {
    const { stream, form } = await this.#open(path, request, context)
    const outputs = form === 'infer_stream' ? [] : outputsOf(await this.#describe(request, context))
    for await (const event of eventsOf(stream)) {
      const response = this.#read(event, form, outputs)
      const { name, version } = response.model
      const wanted = response.outputs.filter((output) => request.outputs?.includes(output.name) !== false)
      yield {
        ...response,
        outputs: wanted,
        model: { name: name || request.model.name, version: version || (request.model.version ?? '') },
      }
    }
  }

  async #open(
    path: string,
    request: InferenceRequest,
    context: CallContext,
  ): Promise<{ readonly stream: HttpStream; readonly form: Form }> {
    const forms: readonly Form[] = this.#form === undefined ? ['infer_stream', 'generate_stream'] : [this.#form]
    let refusal: InferenceError | undefined
    for (const form of forms) {
      const call = { method: 'POST' as const, path: `${path}/${form}`, headers, body: bodyOf(request, form) }
      const reply = await this.#server.stream(call, context)
      if ('chunks' in reply) {
        this.#form = form
        return { stream: reply, form }
      }
      const error = errorOf(reply)
      // What a server says of a path that it does not have, of one without its method, or of a model that it does not know.
      if (error.code !== 'not_found' && error.code !== 'unimplemented') throw error
      refusal ??= error
    }
    throw refusal ?? new InferenceError('unimplemented', 'this server has no stream')
  }

  #read(event: string, form: Form, outputs: readonly TensorMetadata[]): InferenceResponse {
    const bytes = Buffer.from(event)
    throwErrorIn(event)
    try {
      return form === 'infer_stream' ? decodeV2Response(bytes, undefined) : decodeGenerateResponse(bytes, outputs)
    } catch (reason) {
      const { message } = InferenceError.from(reason)
      throw new InferenceError('internal', `${this.#server.url}: an event cannot be read: ${message}`, {
        cause: reason,
      })
    }
  }
}

function bodyOf(request: InferenceRequest, form: Form): readonly Uint8Array[] {
  if (form === 'generate_stream') return [encodeGenerateRequest(request)]
  const { body } = encodeV2Request(request, { binary: false })
  return body instanceof Uint8Array ? [body] : body
}

/** A server that does not stream answers one response as plain JSON. */
async function* eventsOf({ contentType, chunks }: HttpStream): AsyncGenerator<string, void> {
  if (!contentType.startsWith('application/json')) {
    yield* readEvents(chunks)
    return
  }
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  yield Buffer.concat(parts).toString('utf8')
}

/** The stream has no field for a code. */
function throwErrorIn(event: string): void {
  if (!event.trimStart().startsWith('{"error"')) return
  const parsed: unknown = JSON.parse(event)
  if (typeof parsed === 'object' && parsed !== null && 'error' in parsed && typeof parsed.error === 'string') {
    throw new InferenceError('internal', parsed.error)
  }
}

function outputsOf({ outputs }: ModelDescription): readonly TensorMetadata[] {
  return outputs.flatMap(({ name, datatype, shape }) =>
    datatype === undefined
      ? []
      : [{ name, datatype, ...(shape === undefined ? { shape: [-1], isAnyRank: true } : { shape }) }],
  )
}
