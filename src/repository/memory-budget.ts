/** How much memory loaded models may hold together, and who leaves when another one comes. */
import { InferenceError } from '../core/errors.ts'
import { MemoryOverhead, residentBytes } from './memory-overhead.ts'
import type { Timers } from './timers.ts'
import { unloadReserve } from './unload-reserve.ts'

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
  /** Loads that run at once: room is kept free for them where that costs little. Default 0. */
  readonly loads?: number
  /** Memory of this process, in bytes. */
  readonly resident?: () => number
  /** What the heap of JavaScript holds of a loaded model, in bytes. Default 98,304. */
  readonly scriptBytes?: number
}

/** What somebody wants to load. */
export interface Wanted {
  readonly name: string
  /** Predicted. */
  readonly bytes: number
  /** A request waits for it: it comes before what is loaded ahead. Asked anew each time that there is room. */
  readonly isAsked: boolean
  /** It will live in this process, and take what others here take beside what they say. */
  readonly isResident?: boolean
  readonly signal: AbortSignal
}

/** What a loaded model was found to be. */
export interface Measured {
  readonly bytes: number
  readonly isResident: boolean
}

/** Memory that is held, for one instance of a model. */
export interface Claim {
  /** It is loaded and was measured; from now on it may have to leave. */
  settle(measured: Measured, tenant: Tenant): void
  /** It is closed, or was never loaded. */
  release(): void
}

/** What a budget holds and has done so far. */
export interface BudgetUsage {
  readonly budgetBytes: number
  /** Of all models that are loaded, are being loaded, or are leaving. */
  readonly usedBytes: number
  /** Models that left for others. */
  readonly evictions: number
  /** Loads that were refused because all others were used just before. */
  readonly churnRejections: number
  /** Loads that found no room in time. */
  readonly refusals: number
  /** What a model in this process takes beside what it says, as far as was learned. */
  readonly overheadBytes: number
}

interface Held extends Measured {
  bytes: number
  isResident: boolean
  tenant: Tenant | undefined
}

interface Waiting {
  readonly wanted: Wanted
  readonly grant: (held: Held) => void
  readonly refuse: (reason: unknown) => void
}

/** Models that run calls are looked at again after so long. */
const busyLookMs = 10
/** The same where only a prediction was short and nobody waits. */
const shortLookMs = 100
/** What is told to who was refused. */
const retryAfterMs = 1000
const defaultPatienceMs = 60_000
/** Queue, latencies and signature of an iris model: 60 KB in a snapshot of the heap, and half as much that is garbage. */
const defaultScriptBytes = 98_304

/**
 * Memory is claimed by prediction before a load, corrected by measurement after it, and given back when the model is closed, so that
 * loaded, loading and leaving models never hold more than the budget, but for what a prediction was short of: that is evened
 * out by one after the other leaving. The one whose last call is longest ago leaves first; one with running calls never does.
 */
export class MemoryBudget {
  readonly #bytes: number
  readonly #timers: Timers
  readonly #minAgeMs: number
  readonly #patienceMs: number
  readonly #loads: number
  readonly #resident: () => number
  readonly #overhead: MemoryOverhead
  readonly #held = new Set<Held>()
  readonly #leaving = new Set<Held>()
  readonly #waiting: Waiting[] = []
  /** Without the overhead of each. */
  #said = 0
  #residents = 0
  readonly #counts = { evictions: 0, churnRejections: 0, refusals: 0 }
  #cancelLook: (() => void) | undefined

  constructor(options: BudgetOptions) {
    this.#bytes = options.bytes
    this.#timers = options.timers
    this.#minAgeMs = options.minAgeMs ?? 0
    this.#patienceMs = options.patienceMs ?? defaultPatienceMs
    this.#loads = options.loads ?? 0
    this.#resident = options.resident ?? residentBytes
    this.#overhead = new MemoryOverhead(options.scriptBytes ?? defaultScriptBytes)
  }

  get usage(): BudgetUsage {
    const { bytes: overheadBytes } = this.#overhead
    return { budgetBytes: this.#bytes, usedBytes: this.#used, overheadBytes, ...this.#counts }
  }

  get #used(): number {
    return this.#said + this.#residents * this.#overhead.bytes
  }

  /**
   * Waits until there is room, for which others may have to leave.
   *
   * @throws InferenceError `resource_exhausted` where it never fits, or not in time; `unavailable` where others would have to leave
   *   that were used just before; the reason of the signal
   */
  async claim(wanted: Wanted): Promise<Claim> {
    const { name, signal } = wanted
    const bytes = this.#costOf({ bytes: wanted.bytes, isResident: wanted.isResident === true })
    if (bytes > this.#bytes) {
      const text = `model '${name}' would take about ${megabytes(bytes)}, more than the memory budget of ${megabytes(this.#bytes)}`
      throw new InferenceError('resource_exhausted', text)
    }
    signal.throwIfAborted()
    const held = await this.#wait(wanted)
    return {
      settle: (measured, tenant) => {
        this.#count(held, -1)
        Object.assign(held, measured, { tenant })
        this.#count(held, 1)
        if (held.isResident) this.#overhead.learn(this.#residents, this.#said, this.#resident)
        this.#serve()
      },
      release: () => {
        if (!this.#held.delete(held)) return
        this.#leaving.delete(held)
        this.#count(held, -1)
        this.#serve()
      },
    }
  }

  close(): void {
    this.#cancelLook?.()
    const closed = new InferenceError('unavailable', 'Server is shutting down.')
    for (const { refuse } of this.#waiting.splice(0)) refuse(closed)
  }

  #count({ bytes, isResident }: Measured, sign: 1 | -1): void {
    this.#said += sign * bytes
    if (isResident) this.#residents += sign
  }

  #costOf({ bytes, isResident }: Measured): number {
    return bytes + (isResident ? this.#overhead.bytes : 0)
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
      const cancel = this.#timers.after(this.#patienceMs, () => {
        this.#counts.refusals += 1
        waiting.refuse(full(wanted, this.#bytes))
      })
      wanted.signal.addEventListener('abort', abort, { once: true })
      this.#waiting.push(waiting)
      this.#serve()
    })
  }

  /** First come first served among those that requests wait for, then among the others. */
  get #next(): Waiting | undefined {
    return this.#waiting.find(({ wanted }) => wanted.isAsked) ?? this.#waiting[0]
  }

  /** Lets in who fits, and has others leave for the first who does not. */
  #serve(): void {
    this.#cancelLook?.()
    this.#cancelLook = undefined
    let next = this.#next
    for (; next !== undefined; next = this.#next) {
      const { bytes, isResident = false } = next.wanted
      const held: Held = { bytes, isResident, tenant: undefined }
      if (this.#used + this.#costOf(held) > this.#bytes) break
      this.#held.add(held)
      this.#count(held, 1)
      next.grant(held)
    }
    if (next !== undefined) this.#makeRoomFor(next)
    else this.#evenOut()
  }

  /** What is used once all have gone that leave. */
  get #staying(): number {
    let leaving = 0
    for (const held of this.#leaving) leaving += this.#costOf(held)
    return this.#used - leaving
  }

  #makeRoomFor(next: Waiting): void {
    const { bytes, isResident = false } = next.wanted
    const most = this.#bytes - this.#costOf({ bytes, isResident })
    const stubborn = new Set<Held>()
    while (this.#staying > most) {
      const oldest = this.#oldest(stubborn)
      const freshMs = this.#freshMs(oldest)
      if (oldest !== undefined && freshMs <= 0) {
        if (!this.#evict(oldest)) stubborn.add(oldest)
        continue
      }
      if (oldest !== undefined && this.#leaving.size === 0) {
        this.#counts.churnRejections += 1
        next.refuse(churn(next.wanted, freshMs))
        this.#serve()
      } else if (this.#held.size > 0) this.#cancelLook = this.#timers.after(busyLookMs, () => this.#serve())
      return
    }
  }

  /** What predictions were short of is paid by one after the other; a little room is kept for the next loads. */
  #evenOut(): void {
    const typical = this.#held.size === 0 ? 0 : this.#used / this.#held.size
    const most = this.#bytes - unloadReserve(this.#bytes, typical, this.#loads)
    while (this.#staying > most) {
      const isShort = this.#used > this.#bytes
      if (isShort && this.#leaving.size > 0) return
      const oldest = this.#oldest()
      if (oldest === undefined || this.#freshMs(oldest) > 0 || !this.#evict(oldest)) {
        if (isShort) this.#cancelLook = this.#timers.after(shortLookMs, () => this.#serve())
        return
      }
    }
  }

  /** For how long it may not leave, because it was used just before. */
  #freshMs(held: Held | undefined): number {
    return (held?.tenant?.lastUse ?? -Infinity) + this.#minAgeMs - this.#timers.now()
  }

  /** The one not used for longest that could leave. */
  #oldest(stubborn?: ReadonlySet<Held>): Held | undefined {
    let oldest: Held | undefined
    let lastUse = Infinity
    for (const held of this.#held) {
      const { tenant } = held
      // Most are told apart by one number: this is on the way of every miss.
      if (tenant === undefined || tenant.lastUse >= lastUse || tenant.isPinned || tenant.isBusy) continue
      if (this.#leaving.has(held) || stubborn?.has(held) === true) continue
      oldest = held
      lastUse = tenant.lastUse
    }
    return oldest
  }

  /** @returns false where it cannot leave just now */
  #evict(held: Held): boolean {
    this.#leaving.add(held)
    const isLeaving = held.tenant?.leave() === true
    if (isLeaving) this.#counts.evictions += 1
    else this.#leaving.delete(held)
    return isLeaving
  }
}

function full({ name, bytes }: Wanted, budget: number): InferenceError {
  const text = `model '${name}' takes about ${megabytes(bytes)}; the memory budget of ${megabytes(budget)} is held by models in use`
  return new InferenceError('resource_exhausted', text, { retryAfterMs })
}

/** In ModelMesh's words. */
function churn({ name }: Wanted, freshMs: number): InferenceError {
  const text = `Cache churn threshold exceeded: model '${name}' is not loaded, and every model that could make room for it was used just before`
  return new InferenceError('unavailable', text, { retryAfterMs: Math.max(retryAfterMs, freshMs) })
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`
}
