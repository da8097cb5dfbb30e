/** How much memory loaded models may hold together, and who leaves when another one comes. */
import { InferenceError } from '../core/errors.ts'
import type { Timers } from './timers.ts'

/** A loaded model as the budget sees it. */
export interface Tenant {
  readonly isBusy: boolean
  /** When its last call ended, by the clock of the timers. */
  readonly lastUse: number
  /** Stays loaded whatever comes. */
  readonly isPinned: boolean
  /** Has it unloaded, after which its claim is released. @returns false where it cannot be just now */
  leave(): boolean
}

export interface BudgetOptions {
  readonly bytes: number
  readonly timers: Timers
  /** Who was used within this time does not leave for another: who comes is refused. Milliseconds, default 0. */
  readonly minAgeMs?: number
  /** Longest wait for others to leave, in milliseconds. Default 60,000. */
  readonly patienceMs?: number
}

/** What somebody wants to load. */
export interface Wanted {
  readonly name: string
  /** Predicted. */
  readonly bytes: number
  /** A request waits for it: it comes before what is loaded ahead. */
  readonly isAsked: boolean
  readonly signal: AbortSignal
}

/** Memory that is held, for one instance of a model. */
export interface Claim {
  /** It is loaded and was measured; from now on it may have to leave. */
  settle(bytes: number, tenant: Tenant): void
  /** It is closed, or was never loaded. */
  release(): void
}

interface Held {
  bytes: number
  tenant: Tenant | undefined
  isLeaving: boolean
}

interface Waiting {
  readonly wanted: Wanted
  readonly grant: (held: Held) => void
  readonly refuse: (reason: unknown) => void
}

/** Models that run calls are looked at again after so long. */
const busyLookMs = 10
/** What is told to who was refused. */
const retryAfterMs = 1000
const defaultPatienceMs = 60_000

/**
 * Memory is claimed by prediction before a load, corrected by measurement after it, and given back when the model is closed, so that
 * loaded, loading and leaving models never hold more than the budget, but for what a prediction was short of: that is evened
 * out by others leaving. The one whose last call is longest ago leaves first; one with running calls never does.
 */
export class MemoryBudget {
  readonly #bytes: number
  readonly #timers: Timers
  readonly #minAgeMs: number
  readonly #patienceMs: number
  readonly #held = new Set<Held>()
  readonly #waiting: Waiting[] = []
  #used = 0
  #leaving = 0
  #cancelLook: (() => void) | undefined

  constructor({ bytes, timers, minAgeMs = 0, patienceMs = defaultPatienceMs }: BudgetOptions) {
    this.#bytes = bytes
    this.#timers = timers
    this.#minAgeMs = minAgeMs
    this.#patienceMs = patienceMs
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Of all models that are loaded, are being loaded, or are leaving. */
  get usedBytes(): number {
    return this.#used
  }

  /**
   * Waits until there is room, for which others may have to leave.
   *
   * @throws InferenceError `resource_exhausted` where it never fits, or not in time; the reason of the signal
   */
  async claim(wanted: Wanted): Promise<Claim> {
    const { name, bytes, signal } = wanted
    if (bytes > this.#bytes) {
      const text = `model '${name}' would take about ${megabytes(bytes)}, more than the memory budget of ${megabytes(this.#bytes)}`
      throw new InferenceError('resource_exhausted', text)
    }
    signal.throwIfAborted()
    const held = await this.#wait(wanted)
    return {
      settle: (measured, tenant) => {
        this.#used += measured - held.bytes
        held.bytes = measured
        held.tenant = tenant
        this.#serve()
      },
      release: () => {
        if (!this.#held.delete(held)) return
        this.#used -= held.bytes
        if (held.isLeaving) this.#leaving -= held.bytes
        this.#serve()
      },
    }
  }

  close(): void {
    this.#cancelLook?.()
    const closed = new InferenceError('unavailable', 'Server is shutting down.')
    for (const { refuse } of this.#waiting.splice(0)) refuse(closed)
  }

  #wait(wanted: Wanted): Promise<Held> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        cancel()
        wanted.signal.removeEventListener('abort', abort)
        const index = this.#waiting.indexOf(waiting)
        if (index >= 0) this.#waiting.splice(index, 1)
      }
      const waiting: Waiting = {
        wanted,
        grant: (held) => {
          leave()
          resolve(held)
        },
        refuse: (reason) => {
          leave()
          reject(InferenceError.from(reason))
        },
      }
      const abort = (): void => waiting.refuse(wanted.signal.reason)
      const cancel = this.#timers.after(this.#patienceMs, () => waiting.refuse(this.#full(wanted)))
      wanted.signal.addEventListener('abort', abort, { once: true })
      const behind = wanted.isAsked ? this.#waiting.findIndex((other) => !other.wanted.isAsked) : -1
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, waiting)
      this.#serve()
    })
  }

  /** Lets in who fits, first come first served, and has others leave for the first who does not. */
  #serve(): void {
    this.#cancelLook?.()
    this.#cancelLook = undefined
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used + next.wanted.bytes > this.#bytes) break
      const held: Held = { bytes: next.wanted.bytes, tenant: undefined, isLeaving: false }
      this.#held.add(held)
      this.#used += held.bytes
      next.grant(held)
    }
    const missing = this.#used - this.#leaving + (this.#waiting[0]?.wanted.bytes ?? 0) - this.#bytes
    if (missing > 0) this.#makeRoom(missing)
  }

  #makeRoom(missing: number): void {
    let left = missing
    const tenants = [...this.#held]
      .filter(({ tenant, isLeaving }) => tenant !== undefined && !tenant.isPinned && !isLeaving)
      .toSorted((a, b) => (a.tenant?.lastUse ?? 0) - (b.tenant?.lastUse ?? 0))
    const now = this.#timers.now()
    for (const held of tenants) {
      if (left <= 0) return
      const { tenant } = held
      if (tenant === undefined || tenant.isBusy) continue
      if (now - tenant.lastUse < this.#minAgeMs) break
      held.isLeaving = true
      this.#leaving += held.bytes
      if (tenant.leave()) left -= held.bytes
      else {
        held.isLeaving = false
        this.#leaving -= held.bytes
      }
    }
    if (left <= 0) return
    const next = this.#waiting[0]
    const isThrashing = tenants.some(({ tenant }) => tenant?.isBusy === false && now - tenant.lastUse < this.#minAgeMs)
    if (next !== undefined && isThrashing && this.#leaving === 0) next.refuse(this.#full(next.wanted))
    else if (tenants.length > 0) this.#cancelLook = this.#timers.after(busyLookMs, () => this.#serve())
  }

  #full({ name, bytes }: Wanted): InferenceError {
    const text = `model '${name}' takes about ${megabytes(bytes)}; the memory budget of ${megabytes(this.#bytes)} is held by models in use`
    return new InferenceError('resource_exhausted', text, { retryAfterMs })
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`
}
