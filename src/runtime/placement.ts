/** Where a session lives: the main thread, a shared thread, or threads or processes of its own. The caller cannot tell the difference. */
import { InferenceError } from '../core/errors.ts'
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import { openSession } from './open.ts'
import { placeInProcesses } from './process-placement.ts'
import type { ProcessOptions } from './process-placement.ts'
import type { ThreadSource } from './thread-pool.ts'
import { ownThreads, sharedPool } from './thread-pool.ts'
import type { PackOptions } from './transfer.ts'
import type { WorkerThread } from './worker-thread.ts'

export type Placement = 'inline' | 'pool' | 'thread' | 'process'

/** A session that lives in its placement. */
export interface PlacedSession {
  readonly placement: Placement
  /** Sessions that run at the same time. */
  readonly instances: number
  /** `info` of the (first) session. */
  readonly info: unknown
  /** By how many bytes the sessions made their processes grow; absent where they share one with others. */
  readonly memoryBytes?: number
  /**
   * @param signal aborted: rejects at once without running. A run that has begun cannot be stopped.
   * @param options `move`: the caller gives its inputs up; without it they are copied
   * @throws InferenceError what the session threw; `internal` where its thread or process died, `deadline_exceeded`
   *   where it hung, `unavailable` while its process is started again
   */
  run(batch: Batch, signal: AbortSignal, options?: PackOptions): Promise<readonly Tensor[]>
  /** Tells once that the sessions were given up: their processes died again and again. */
  readonly onFailure?: (listener: (reason: InferenceError) => void) => void
  /** Closes the sessions and ends the threads or processes that they alone used. */
  close(): Promise<void>
}

/** Sessions to open: inline there is always one. All but `instances` is for processes. */
export type PlaceOptions = Omit<ProcessOptions, 'clock'>

/**
 * Opens sessions of a module in a placement.
 *
 * @param module URL of a session file, as `SessionModule` describes it
 * @param options handed to its `open`: plain data
 * @throws InferenceError what `open` threw
 */
export async function place(
  module: URL,
  options: unknown,
  placement: Placement,
  placing: PlaceOptions = {},
): Promise<PlacedSession> {
  const { instances = 1 } = placing
  switch (placement) {
    case 'inline':
      return placeInline(module, options)
    case 'pool':
      return placeInThreads(module, options, placement, sharedPool, instances)
    case 'thread':
      return placeInThreads(module, options, placement, ownThreads, instances)
    case 'process':
      return placeInProcesses(module, options, placing)
  }
}

async function placeInline(module: URL, options: unknown): Promise<PlacedSession> {
  const session = await openSession(module.href, options)
  return {
    placement: 'inline',
    instances: 1,
    info: session.info,
    async run(batch, signal) {
      if (signal.aborted) throw InferenceError.from(signal.reason)
      return session.run(batch)
    },
    close: () => session.close(),
  }
}

async function placeInThreads(
  module: URL,
  options: unknown,
  placement: Placement,
  source: ThreadSource,
  count: number,
): Promise<PlacedSession> {
  const seats = Array.from({ length: Math.max(1, count) }, () => new Seat(module, options, source))
  const opened = await Promise.allSettled(seats.map((seat) => seat.open()))
  const failure = opened.find((result) => result.status === 'rejected')
  if (failure !== undefined) {
    await Promise.allSettled(seats.map((seat) => seat.close()))
    throw InferenceError.from(failure.reason)
  }
  const [first] = opened
  return {
    placement,
    instances: seats.length,
    info: first?.status === 'fulfilled' ? first.value : undefined,
    async run(batch, signal, packing) {
      if (signal.aborted) throw InferenceError.from(signal.reason)
      return leastBusy(seats).run(batch, packing)
    },
    async close() {
      await Promise.all(seats.map((seat) => seat.close()))
    },
  }
}

function leastBusy(seats: readonly Seat[]): Seat {
  let best: Seat | undefined
  for (const seat of seats) if (best === undefined || seat.inFlight < best.inFlight) best = seat
  if (best === undefined) throw new InferenceError('internal', 'a placed session has no instance')
  return best
}

/** New threads in a row, without a run that succeeded in one, after which a session is given up. */
const mostReopenings = 3

/** One session in some thread; opened again in a new thread where its thread died. */
class Seat {
  readonly #module: URL
  readonly #options: unknown
  readonly #source: ThreadSource
  #place: { readonly thread: WorkerThread; readonly session: number } | undefined
  #opening: Promise<unknown> | undefined
  #reopenings = 0
  #isClosed = false
  inFlight = 0

  constructor(module: URL, options: unknown, source: ThreadSource) {
    this.#module = module
    this.#options = options
    this.#source = source
  }

  /** @returns `info` of the session */
  async open(): Promise<unknown> {
    const thread = this.#source.take()
    try {
      const { session, info } = await thread.open(this.#module, this.#options)
      this.#place = { thread, session }
      return info
    } catch (reason) {
      await this.#source.release(thread)
      throw reason
    }
  }

  async run(batch: Batch, packing: PackOptions | undefined): Promise<readonly Tensor[]> {
    this.inFlight += 1
    try {
      if (this.#place === undefined || this.#place.thread.isDead) await this.#reopen()
      const place = this.#place
      if (place === undefined) throw new InferenceError('internal', 'the session is closed')
      const outputs = await place.thread.run(place.session, batch, packing)
      this.#reopenings = 0
      return outputs
    } finally {
      this.inFlight -= 1
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const place = this.#place
    this.#place = undefined
    if (place === undefined) return
    await place.thread.close(place.session)
    await this.#source.release(place.thread)
  }

  /** Callers that meet a dead thread together open one session together. */
  async #reopen(): Promise<void> {
    if (this.#isClosed) throw new InferenceError('internal', 'the session is closed')
    if (this.#reopenings >= mostReopenings) {
      const text = `the thread of this model died, and ${mostReopenings} new ones after it: load the model again`
      throw new InferenceError('internal', text)
    }
    if (this.#opening === undefined) {
      this.#reopenings += 1
      this.#opening = this.open().finally(() => (this.#opening = undefined))
    }
    await this.#opening
  }
}
