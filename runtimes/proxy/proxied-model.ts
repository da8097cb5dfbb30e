/** A model that somebody else serves, as this server sees it. */
import {
  InferenceError,
  type InferenceRequest,
  type InferenceResponse,
  type Log,
  type Model,
  type ModelMetadata,
  type ModelSpec,
  type RequestContext,
  type TensorMetadata,
} from '../../src/runtime/index.ts'
import { Health } from './health.ts'
import { LoadWatch } from './load-watch.ts'
import { headerFilter, type HeaderFilter } from './headers.ts'
import { launchPlan } from './launch-options.ts'
import { launch, type Launched } from './launched-wire.ts'
import { openWires, readAddresses, type Address } from './open-wires.ts'
import { forwardBy } from './openai-response.ts'
import type { ProxyOptions } from './options.ts'
import { profileOf, type Protocol } from './profiles.ts'
import { Pool } from './pool.ts'
import { ownHeaders, secureContext } from './security.ts'
import { metadataOf } from './signature.ts'
import { OpenExchange } from './exchange.ts'
import type { Answer, Headers, Wire } from './wire.ts'

/** Between two looks at upstreams of which none is ready yet. */
const startPauseMs = 250
const defaultTimeoutMs = 60_000

/** @throws InferenceError where the options make no sense, or no upstream is ready in time */
export async function openProxied(
  spec: ModelSpec,
  options: ProxyOptions,
  log: Log,
  signal: AbortSignal,
): Promise<Model> {
  signal.throwIfAborted()
  const plan = launchPlan(spec, options)
  const [tls, own] = [await secureContext(options, spec.directory), await ownHeaders(options, spec.directory)]
  const launched = plan === undefined ? undefined : await launch(spec, plan, log, signal)
  let model: ProxiedModel | undefined
  try {
    const addresses = readAddresses(launched === undefined ? options : { ...options, upstreams: launched.upstreams })
    const protocol = addresses[0]?.protocol ?? 'v2' // the plan asks for an address at least
    const known = { metadata: metadataOf(options, protocol, undefined) }
    const open = async (at: readonly Address[]): Promise<readonly Wire[]> =>
      openWires(at, { spec, options, tls, outputs: (request) => outputsOf(known.metadata, request) })
    const wires = launched === undefined ? await open(addresses) : await launched.wires(addresses, options, open)
    model = new ProxiedModel({ spec, options, log, wires, own, protocol, known, launched })
    await model.start(signal)
    return model
  } catch (reason) {
    await (model ?? launched)?.close()
    throw reason
  }
}

interface Parts {
  readonly spec: ModelSpec
  readonly options: ProxyOptions
  readonly log: Log
  readonly wires: readonly Wire[]
  /** Headers of every request. */
  readonly own: Headers
  readonly protocol: Protocol
  /** What the upstreams have said of the model so far. */
  readonly known: { metadata: ModelMetadata }
  /** The server that was started for it; absent where it runs anyway. */
  readonly launched: Launched | undefined
}

class ProxiedModel implements Model {
  readonly memoryBytes = 0
  readonly maxBatchSize: number
  readonly concurrency: number
  readonly takesRaw: boolean
  readonly stream?: NonNullable<Model['stream']>
  readonly forward?: NonNullable<Model['forward']>
  readonly onFailure?: NonNullable<Model['onFailure']>
  readonly #parts: Parts
  readonly #pool: Pool<Wire>
  readonly #health: Health<Wire>
  readonly #loads: LoadWatch<Wire>
  readonly #returned: HeaderFilter

  constructor(parts: Parts) {
    const { spec, options, wires, own, protocol, log, launched } = parts
    this.#parts = parts
    this.maxBatchSize = spec.maxBatchSize ?? 0
    this.concurrency = options.max_in_flight
    this.takesRaw = protocol === 'grpc-v2'
    this.#returned = headerFilter(options.return_headers)
    this.#pool = new Pool(wires, poolOptions(spec.ref.name, options, own))
    this.#loads = new LoadWatch(this.#pool.upstreams, own)
    const { interval_ms: intervalMs, timeout_ms: timeoutMs } = options.health
    const healthOptions = { name: spec.ref.name, intervalMs, timeoutMs, headers: own, log }
    this.#health = new Health(this.#pool.upstreams, healthOptions, (wire) => void this.#describe(wire))
    if (protocol === 'grpc-v2' || protocol === 'openai')
      this.stream = (request, context) => this.#stream(request, context)
    if (protocol === 'openai') this.forward = (call, context) => forwardBy(this.#pool, call, context, this.#returned)
    if (launched !== undefined) this.onFailure = (listener) => launched.onGivenUp(listener)
  }

  get metadata(): ModelMetadata {
    return this.#parts.known.metadata
  }

  /** False while no upstream is. */
  get isReady(): boolean {
    return this.#pool.isReady
  }

  /** Waits for the first upstream that is ready and for what it says of the model. */
  async start(signal: AbortSignal): Promise<void> {
    const { start_timeout_ms: startTimeoutMs } = this.#parts.options
    const endsAt = performance.now() + startTimeoutMs
    for (;;) {
      const error = await this.#health.look()
      signal.throwIfAborted()
      const ready = this.#pool.upstreams.find(({ isReady }) => isReady === true)
      const failure = ready === undefined ? error : await this.#describe(ready.wire)
      if (failure === undefined) break
      if (performance.now() + startPauseMs > endsAt) throw neverReady(startTimeoutMs, failure)
      await pause(startPauseMs, signal)
    }
    this.#health.watch()
    void this.#loads.watch()
  }

  async predict(batch: Parameters<Model['predict']>[0], signal: AbortSignal): ReturnType<Model['predict']> {
    const context = { requestId: '', protocol: 'library', signal, headers: {} } as const
    const { outputs } = await this.infer({ ...batch, model: this.#parts.spec.ref }, context)
    return batch.outputs === undefined ? outputs : outputs.filter(({ name }) => batch.outputs?.includes(name))
  }

  async infer(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    return this.#told(await this.#pool.run(context, (wire, exchange) => wire.infer(request, exchange)))
  }

  async close(): Promise<void> {
    this.#health.close()
    this.#loads.close()
    this.#pool.close()
    await this.#parts.launched?.close()
  }

  async *#stream(request: InferenceRequest, context: RequestContext): AsyncGenerator<InferenceResponse, void> {
    const answers = this.#pool.stream(context, (wire, exchange) => {
      if (wire.stream === undefined) throw new InferenceError('unimplemented', `${wire.url} cannot stream`)
      return wire.stream(request, exchange)
    })
    for await (const answer of answers) yield this.#told(answer)
  }

  /** The response with the headers that callers may see. */
  #told({ response, headers }: Answer): InferenceResponse {
    const returned = this.#returned(headers)
    // Assigned, because a copy would leave the message behind that a response may bring.
    return hasAny(returned) ? Object.assign(response, { headers: returned }) : response
  }

  /** Takes over what the server says of the model. @returns why not, where it could not be asked */
  async #describe(wire: Wire): Promise<InferenceError | undefined> {
    const { options, protocol, own, log, spec, known } = this.#parts
    const { signal } = new AbortController()
    const exchange = new OpenExchange({ signal }, options.health.timeout_ms, own)
    try {
      const metadata = metadataOf(options, protocol, await wire.describe(exchange))
      // One that says the same stays the same: who looks for a change need not look into it.
      if (JSON.stringify(metadata) !== JSON.stringify(known.metadata)) known.metadata = metadata
      return undefined
    } catch (reason) {
      const error = InferenceError.from(reason)
      if (error.code === 'unimplemented') return undefined // a server that tells nothing
      log.warn(
        { model: spec.ref.name, upstream: wire.url, reason: error.message },
        'upstream tells nothing of the model',
      )
      return error
    } finally {
      exchange.release()
    }
  }
}

function outputsOf(
  { signatures, outputs }: ModelMetadata,
  { parameters }: InferenceRequest,
): readonly TensorMetadata[] {
  const name = parameters?.['signature_name']
  return signatures?.find((signature) => signature.name === name)?.outputs ?? outputs
}

function poolOptions(name: string, options: ProxyOptions, own: Headers) {
  const forwarded = headerFilter(options.forward_headers)
  return {
    name,
    timeoutMs: options.timeout_ms ?? profileOf(options.profile).timeoutMs ?? defaultTimeoutMs,
    retries: options.retries,
    isSentRetried: options.retry_sent,
    maxInFlight: options.max_in_flight,
    breaker: { failures: options.breaker.failures, openMs: options.breaker.open_ms },
    headersFor: ({ headers }: RequestContext) => {
      const passed = forwarded(headers)
      return hasAny(passed) ? { ...passed, ...own } : own // whose block of headers is kept
    },
  }
}

function hasAny(headers: Headers): boolean {
  for (const _ in headers) return true
  return false
}

function neverReady(startTimeoutMs: number, last: InferenceError): InferenceError {
  const message = `no upstream was ready within ${startTimeoutMs} ms: ${last.message}`
  return new InferenceError('unavailable', message, { cause: last })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      reject(InferenceError.from(signal.reason))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end)
      resolve()
    }, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
