/** A server that was launched for a model, as one upstream: found at other ports after each restart. */
import type { InferenceError } from '../../src/runtime/index.ts'
import { ManagedProcess, filledIn, type Log, type ModelSpec, type Ports } from '../../src/runtime/index.ts'
import { UpstreamError } from './errors.ts'
import type { LaunchPlan } from './launch-options.ts'
import { readAddresses, type Address } from './open-wires.ts'
import type { ProxyOptions } from './options.ts'
import type { Wire } from './wire.ts'

type OpenWires = (addresses: readonly Address[]) => Promise<readonly Wire[]>

/** The process and the addresses at which it was ready first. */
export interface Launched {
  readonly upstreams: readonly string[]
  /**
   * @param addresses those of {@link upstreams}
   * @param open makes wires to addresses, called again after each restart
   */
  wires(addresses: readonly Address[], options: ProxyOptions, open: OpenWires): Promise<readonly Wire[]>
  onGivenUp(listener: (reason: Error) => void): void
  close(): Promise<void>
}

/** @throws InferenceError where it does not start, with its last words */
export async function launch(spec: ModelSpec, plan: LaunchPlan, log: Log, signal: AbortSignal): Promise<Launched> {
  const { name } = spec.ref
  const down = new UpstreamError('unavailable', `the server of model '${name}' is being started`, {
    mayHaveRun: false,
    isFault: false,
    retryAfterMs: 1000,
  })
  let reopen: (ports: Ports) => void = () => undefined
  let shut: (reason: UpstreamError) => void = () => undefined
  const listeners: ((reason: Error) => void)[] = []
  const managed = new ManagedProcess({
    name,
    log,
    launch: plan.launch,
    values: plan.values,
    onReady: (ports) => reopen(ports),
    onDown: (reason) => shut(notNow(reason)),
    onGivenUp: (reason) => {
      shut(notNow(reason))
      for (const listener of listeners) listener(reason)
    },
  })
  const filled = (ports: Ports): readonly string[] => plan.upstreams.map((address) => filledIn(address, ports))
  const upstreams = filled(await managed.start(signal))
  return {
    upstreams,
    wires: async (addresses, options, open) => {
      const wires = (await open(addresses)).map((inner) => new LaunchedWire(inner, down))
      shut = (reason) => wires.forEach((wire) => wire.shut(reason))
      reopen = (ports) => {
        const found = readAddresses({ ...options, upstreams: filled(ports) })
        void open(found).then((inner) => inner.forEach((each, index) => wires[index]?.change(each)))
      }
      return wires
    },
    onGivenUp: (listener) => void listeners.push(listener),
    close: () => managed.close(),
  }
}

function notNow({ message, retryAfterMs }: InferenceError): UpstreamError {
  const later = retryAfterMs === undefined ? {} : { retryAfterMs }
  return new UpstreamError('unavailable', message, { mayHaveRun: false, isFault: false, ...later })
}

class LaunchedWire implements Wire {
  #inner: Wire | undefined
  #reason: UpstreamError
  #url: string
  #isClosed = false
  readonly forward?: NonNullable<Wire['forward']>
  readonly stream?: NonNullable<Wire['stream']>

  constructor(inner: Wire, reason: UpstreamError) {
    this.#inner = inner
    this.#reason = reason
    this.#url = inner.url
    // What a wire can do is its protocol's: the same after a restart.
    if (inner.stream !== undefined)
      this.stream = (request, exchange) => this.#open.stream?.(request, exchange) ?? this.#fail()
    if (inner.forward !== undefined)
      this.forward = (call, exchange) => this.#open.forward?.(call, exchange) ?? this.#fail()
  }

  get url(): string {
    return this.#url
  }

  /** It takes no requests until {@link change}. */
  shut(reason: UpstreamError): void {
    this.#inner?.close()
    this.#inner = undefined
    this.#reason = reason
  }

  change(inner: Wire): void {
    if (this.#isClosed) return inner.close()
    this.#inner?.close()
    this.#inner = inner
    this.#url = inner.url
  }

  infer: Wire['infer'] = (request, exchange) => this.#open.infer(request, exchange)
  describe: Wire['describe'] = (exchange) => this.#open.describe(exchange)
  isReady: Wire['isReady'] = async (exchange) => this.#open.isReady(exchange)

  close(): void {
    this.#isClosed = true
    this.#inner?.close()
  }

  get #open(): Wire {
    if (this.#inner === undefined) throw this.#reason
    return this.#inner
  }

  #fail(): never {
    throw this.#reason
  }
}
