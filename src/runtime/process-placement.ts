/** Sessions in child processes: what a native crash or a hung call takes along is one process. */
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { silentLog } from '../core/log.ts'
import type { Call } from './model-process.ts'
import type { PlacedSession } from './placement.ts'
import { ProcessSeat, systemClock } from './process-seat.ts'
import type { Clock } from './process-seat.ts'

export interface ProcessOptions {
  /** Processes, each with one session. Default 1. */
  readonly instances?: number
  /** The model's name, for messages. Default 'model'. */
  readonly name?: string
  /** Told of output, deaths and restarts of the processes. */
  readonly log?: Log
  /** A run that takes longer is taken for hung and its process killed. Default 300,000. */
  readonly runTimeoutMs?: number
  /** Ends processes that are still opening. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

/** Longer than any single run that a caller waits for. */
const defaultRunTimeoutMs = 300_000

/**
 * Opens a session of a module in each of some processes.
 *
 * @param options for `open` of the module; plain data
 * @throws InferenceError what `open` threw; `internal` where a process died of it
 */
export async function placeInProcesses(module: URL, options: unknown, around: ProcessOptions): Promise<PlacedSession> {
  const group = new ProcessGroup(module, options, around)
  const abort = (): void => void group.close()
  around.signal?.addEventListener('abort', abort, { once: true })
  try {
    around.signal?.throwIfAborted()
    const info = await group.open()
    return {
      placement: 'process',
      instances: group.instances,
      info,
      memoryBytes: group.memoryBytes,
      run: (batch, signal) => new Promise((resolve, reject) => group.take({ batch, signal, resolve, reject })),
      onFailure: (listener) => group.onFailure(listener),
      close: () => group.close(),
    }
  } catch (reason) {
    await group.close()
    throw InferenceError.from(around.signal?.aborted === true ? around.signal.reason : reason)
  } finally {
    around.signal?.removeEventListener('abort', abort)
  }
}

class ProcessGroup {
  readonly #seats: readonly ProcessSeat[]
  readonly #name: string
  #listeners: ((reason: InferenceError) => void)[] = []
  #failure: InferenceError | undefined

  constructor(module: URL, options: unknown, around: ProcessOptions) {
    const { instances = 1, name = 'model', log = silentLog, runTimeoutMs = defaultRunTimeoutMs } = around
    const { clock = systemClock } = around
    this.#name = name
    this.#seats = Array.from(
      { length: Math.max(1, instances) },
      () =>
        new ProcessSeat({
          ...{ module, options, name, log, runTimeoutMs, clock },
          onLeft: (calls) => calls.forEach((call) => this.take(call)),
          onGivenUp: (reason) => this.#giveUp(reason),
        }),
    )
  }

  get instances(): number {
    return this.#seats.length
  }

  get memoryBytes(): number {
    return this.#seats.reduce((sum, seat) => sum + seat.memoryBytes, 0)
  }

  /** @returns `info` of the first session */
  async open(): Promise<unknown> {
    const [info] = await Promise.all(this.#seats.map((seat) => seat.open()))
    return info
  }

  take(call: Call): void {
    if (call.signal.aborted) return call.reject(InferenceError.from(call.signal.reason))
    let best: ProcessSeat | undefined
    let least = Infinity
    for (const seat of this.#seats) {
      const load = seat.load ?? Infinity
      if (load < least) [best, least] = [seat, load]
    }
    if (best === undefined) call.reject(this.#unavailable())
    else best.take(call)
  }

  onFailure(listener: (reason: InferenceError) => void): void {
    if (this.#failure === undefined) this.#listeners.push(listener)
    else listener(this.#failure)
  }

  async close(): Promise<void> {
    this.#listeners = []
    await Promise.all(this.#seats.map((seat) => seat.close()))
  }

  /** The model has failed when its last process is given up. */
  #giveUp(reason: InferenceError): void {
    if (this.#seats.some((seat) => seat.readyInMs !== undefined)) return
    this.#failure = reason
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener(reason)
  }

  #unavailable(): InferenceError {
    if (this.#failure !== undefined) return this.#failure
    const waits = this.#seats.flatMap((seat) => seat.readyInMs ?? [])
    if (waits.length === 0) return new InferenceError('internal', 'the session is closed')
    const text = `the process of model '${this.#name}' ended and is being started again. Retry later.`
    return new InferenceError('unavailable', text, { retryAfterMs: Math.min(...waits) })
  }
}
