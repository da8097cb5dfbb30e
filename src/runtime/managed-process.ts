/** A server process of others, supervised: started on ports of its own, waited for, started again, and ended with its model. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { freePorts } from './free-ports.ts'
import { GuardedProgram } from './guarded-program.ts'
import { filledIn, portNames, type Launch, type Ports } from './launch.ts'
import { systemClock, type Clock } from './process-seat.ts'
import { becomesReady } from './readiness.ts'
import { afterDeath } from './restart-policy.ts'

export interface ManagedProcessOptions {
  /** The model's name, for messages. */
  readonly name: string
  readonly launch: Launch
  readonly log: Log
  /** For placeholders beside the ports: `{model}`, `{directory}`, … */
  readonly values?: Readonly<Record<string, string>>
  /** Time and chance; those of the system where absent. */
  readonly clock?: Clock
  /** It takes requests, at these ports of 127.0.0.1: told at the start and after each restart. */
  readonly onReady?: (ports: Ports) => void
  /** It takes none any more, until {@link onReady} is told again. */
  readonly onDown?: (reason: InferenceError) => void
  /** It is not started again. */
  readonly onGivenUp?: (reason: InferenceError) => void
}

type State =
  | { readonly kind: 'starting'; readonly program?: GuardedProgram }
  | { readonly kind: 'ready'; readonly program: GuardedProgram; readonly ports: Ports; readonly since: number }
  | { readonly kind: 'waiting'; readonly cancel: () => void }
  | { readonly kind: 'given up'; readonly reason: InferenceError }
  | { readonly kind: 'closed' }

export type ManagedState = State['kind']

export class ManagedProcess {
  readonly #options: ManagedProcessOptions
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #state: State = { kind: 'closed' }
  #running: Promise<void> = Promise.resolve()
  #deaths = 0

  constructor(options: ManagedProcessOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get state(): ManagedState {
    return this.#state.kind
  }

  /** By the names of their placeholders; undefined while it takes no requests. They change with every restart. */
  get ports(): Ports | undefined {
    return this.#state.kind === 'ready' ? this.#state.ports : undefined
  }

  /**
   * Starts the process and waits until it is ready. Called once.
   *
   * @throws InferenceError `unavailable` with its last words where it ends first, `deadline_exceeded` where it is not ready in
   *   time, `cancelled` where the signal fires; the process is gone by then
   */
  async start(signal?: AbortSignal): Promise<Ports> {
    return this.#launch(signal)
  }

  /** Stops a process that others found broken; it is started again as after a death. Without effect while it is not ready. */
  restart(reason: string): void {
    if (this.#state.kind !== 'ready') return
    this.#options.log.warn({ model: this.#options.name, reason }, 'launched process is stopped')
    void this.#state.program.stop()
  }

  /** Stops the process and all that it has started; resolves when they are gone. */
  async close(): Promise<void> {
    const state = this.#state
    this.#state = { kind: 'closed' }
    this.#closing.abort(new InferenceError('cancelled', `model '${this.#options.name}' is unloaded`))
    if (state.kind === 'waiting') state.cancel()
    if (state.kind === 'ready') await state.program.stop()
    if (state.kind === 'starting') await state.program?.stop()
    await this.#running
  }

  async #launch(signal?: AbortSignal): Promise<Ports> {
    const { launch } = this.#options
    const { signal: closing } = this.#closing
    const deadline = AbortSignal.timeout(launch.startTimeoutMs)
    this.#state = { kind: 'starting' }
    const ports = await freePorts(portNames(launch))
    closing.throwIfAborted()
    const program = this.#spawn(ports)
    this.#state = { kind: 'starting', program }
    const ended = new AbortController()
    let how = ''
    void program.ended.then((told) => {
      how = told
      ended.abort()
    })
    const stops = [ended.signal, deadline, closing, ...(signal === undefined ? [] : [signal])]
    if ((await becomesReady(launch.ready, ports, AbortSignal.any(stops))) && !closing.aborted) {
      this.#becomeReady(program, ports)
      return ports
    }
    const reason = ended.signal.aborted ? this.#stillborn(how, program) : this.#notReady(deadline, closing, signal)
    await program.stop()
    throw reason
  }

  #spawn(ports: Ports): GuardedProgram {
    const { name, log, launch, values } = this.#options
    const fill = (text: string): string => filledIn(text, { ...values, ...ports })
    const env = Object.entries(launch.env).map(([key, value]) => [key, fill(value)] as const)
    const command = launch.command.map(fill)
    log.info({ model: name, program: command[0], ports }, 'launching process')
    const { cwd, stopGraceMs } = launch
    return new GuardedProgram({ name, log, command, env: Object.fromEntries(env), cwd, stopGraceMs })
  }

  #becomeReady(program: GuardedProgram, ports: Ports): void {
    this.#state = { kind: 'ready', program, ports, since: this.#clock.now() }
    this.#options.log.info({ model: this.#options.name, ports }, 'launched process is ready')
    this.#options.onReady?.(ports)
    void program.ended.then((how) => {
      const state = this.#state
      if (state.kind !== 'ready' || state.program !== program) return
      this.#afterDeath(how, this.#clock.now() - state.since, program.lastWords)
    })
  }

  #afterDeath(how: string, livedMs: number, lastWords: string): void {
    const { name, log, onDown, onGivenUp } = this.#options
    const next = afterDeath(this.#deaths, livedMs, this.#clock.random())
    this.#deaths = next.deaths
    const fields = { model: name, how, deaths: next.deaths, ...(lastWords === '' ? {} : { last_words: lastWords }) }
    if (next.kind === 'give up') {
      const text = `the process launched for model '${name}' ended ${next.deaths} times in a row; the last one ${how}`
      const reason = new InferenceError('unavailable', `${text}${said(lastWords)}. Load the model again`)
      this.#state = { kind: 'given up', reason }
      log.error(fields, 'launched process given up')
      onGivenUp?.(reason)
      return
    }
    log.error({ ...fields, restart_in_ms: Math.round(next.delayMs) }, 'launched process ended')
    const cancel = this.#clock.after(next.delayMs, () => void (this.#running = this.#relaunch()))
    this.#state = { kind: 'waiting', cancel }
    const text = `the process launched for model '${name}' ${how}; it is started again`
    onDown?.(new InferenceError('unavailable', text, { retryAfterMs: next.delayMs }))
  }

  /** Never throws: a failure is one more death. */
  async #relaunch(): Promise<void> {
    try {
      await this.#launch()
    } catch (reason) {
      if (!this.#closing.signal.aborted) this.#afterDeath(`did not start: ${messageOf(reason)}`, 0, '')
    }
  }

  #stillborn(how: string, { lastWords }: GuardedProgram): InferenceError {
    const text = `the process launched for model '${this.#options.name}' ${how} before it was ready`
    return new InferenceError('unavailable', `${text}${said(lastWords)}`)
  }

  #notReady(deadline: AbortSignal, closing: AbortSignal, signal: AbortSignal | undefined): InferenceError {
    if (closing.aborted) return InferenceError.from(closing.reason)
    if (!deadline.aborted) return InferenceError.from(signal?.reason)
    const { name, launch } = this.#options
    const { ready, startTimeoutMs } = launch
    const sign = ready.kind === 'http' ? `answered GET ${ready.path}` : 'took connections'
    const text = `the process launched for model '${name}' did not get ready in ${startTimeoutMs / 1000} s`
    return new InferenceError('deadline_exceeded', `${text}: nothing ${sign} at {${ready.port}}`)
  }
}

function said(lastWords: string): string {
  return lastWords === '' ? '' : `. Its last words: ${lastWords}`
}
