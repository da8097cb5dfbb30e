/** One session in a process of its own, started again where the process died. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Call, Death } from './model-process.ts'
import { ModelProcess } from './model-process.ts'
import { afterDeath } from './restart-policy.ts'

/** Time and chance, passed in for tests. */
export interface Clock {
  now(): number
  random(): number
  /** @returns ends the wait */
  after(ms: number, then: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after: (ms, then) => {
    const timer = setTimeout(then, ms).unref()
    return () => clearTimeout(timer)
  },
}

export interface SeatOptions {
  readonly module: URL
  /** For `open` of the module. */
  readonly options: unknown
  readonly name: string
  readonly log: Log
  readonly runTimeoutMs: number
  readonly clock: Clock
  /** Calls that the process had and never began. Told after the seat has its new state. */
  readonly onLeft: (calls: readonly Call[]) => void
  /** Given up: it is not started again. */
  readonly onGivenUp: (reason: InferenceError) => void
}

type State =
  | { readonly kind: 'open'; readonly process: ModelProcess }
  | { readonly kind: 'waiting'; readonly until: number; readonly cancel: () => void }
  | { readonly kind: 'opening'; readonly process: ModelProcess; readonly until: number }
  | { readonly kind: 'given up' }
  | { readonly kind: 'closed' }

export class ProcessSeat {
  readonly #options: SeatOptions
  #state: State = { kind: 'closed' }
  #deaths = 0
  #openMs = 0
  memoryBytes = 0

  constructor(options: SeatOptions) {
    this.#options = options
  }

  /** Calls in flight, or undefined where it takes none now. */
  get load(): number | undefined {
    return this.#state.kind === 'open' ? this.#state.process.inFlight : undefined
  }

  /** Milliseconds until it will probably take calls; undefined where it never will. */
  get readyInMs(): number | undefined {
    const state = this.#state
    if (state.kind === 'given up' || state.kind === 'closed') return undefined
    return state.kind === 'open' ? 0 : Math.max(1, state.until - this.#options.clock.now())
  }

  /** @returns `info` of the session */
  async open(): Promise<unknown> {
    const { module, options, clock } = this.#options
    const started = clock.now()
    const process: ModelProcess = new ModelProcess({
      ...this.#options,
      onDeath: (death) => this.#onDeath(process, death),
    })
    this.#state = { kind: 'opening', process, until: started + this.#openMs }
    const { info, memoryBytes } = await process.open(module, options)
    this.#openMs = clock.now() - started
    this.memoryBytes = memoryBytes
    if (this.#state.kind === 'opening') this.#state = { kind: 'open', process }
    return info
  }

  /** Only while {@link load} is a number. */
  take(call: Call): void {
    if (this.#state.kind === 'open') this.#state.process.take(call)
    else call.reject(new InferenceError('internal', `the process of model '${this.#options.name}' is not there`))
  }

  async close(): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'closed' }
    if (state.kind === 'waiting') state.cancel()
    if (state.kind === 'open' || state.kind === 'opening') await state.process.end()
  }

  /** @returns true where it is started again */
  #onDeath(process: ModelProcess, death: Death): boolean {
    const state = this.#state
    const isOpen = state.kind === 'open' && state.process === process
    // While it is opened, whoever opens it is told by the failure.
    if (isOpen) this.#afterDeath(death.how, death.livedMs, death.lastWords)
    this.#options.onLeft(death.notBegun)
    return this.#state.kind === 'waiting'
  }

  #afterDeath(how: string, livedMs: number, lastWords: string): void {
    const { clock, name, log } = this.#options
    const next = afterDeath(this.#deaths, livedMs, clock.random())
    this.#deaths = next.deaths
    const fields = { model: name, how, deaths: next.deaths, ...(lastWords === '' ? {} : { last_words: lastWords }) }
    if (next.kind === 'give up') {
      this.#state = { kind: 'given up' }
      log.error(fields, 'model process given up')
      const words = lastWords === '' ? '' : `. Its last words: ${lastWords}`
      const text = `the process of model '${name}' ended ${next.deaths} times in a row; the last one ${how}${words}. Load the model again`
      return this.#options.onGivenUp(new InferenceError('unavailable', text))
    }
    log.error({ ...fields, restart_in_ms: Math.round(next.delayMs) }, 'model process ended')
    const cancel = clock.after(next.delayMs, () => void this.#reopen())
    this.#state = { kind: 'waiting', until: clock.now() + next.delayMs + this.#openMs, cancel }
  }

  /** Never throws: a failure is one more death. */
  async #reopen(): Promise<void> {
    const { log, name } = this.#options
    try {
      await this.open()
      if (this.#state.kind === 'open') log.info({ model: name, deaths: this.#deaths }, 'model process started again')
    } catch (reason) {
      const state = this.#state
      if (state.kind !== 'opening') return
      await state.process.end()
      if (this.#state === state) this.#afterDeath(`did not open: ${messageOf(reason)}`, 0, '')
    }
  }
}
