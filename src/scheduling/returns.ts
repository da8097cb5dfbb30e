/** Whether callers come back right after the run that answered them, and how soon: closed loops, told from other arrivals. */
import type { LatencyModel } from './latency-model.ts'

/** Weight of what was seen after each later run: the last twenty or so count. */
const decay = 0.95
/** Weight of the newest return time. */
const newest = 0.25
/** Runs before anything is believed. */
const leastRuns = 4
/** Where less of a run comes back nobody waits for it. */
const leastFraction = 0.5
/** What a run costs besides its rows, in milliseconds: below, nothing is measured, as waiting never pays. */
const leastAlphaMs = 0.5
/** Part of a run's time within which callers that come back do so, shared by the runs that go on at once. */
const windowPart = 0.5
/** Arrivals are compared with those of so many windows behind it; later on it does not matter who comes. */
const laterWindows = 4
/** Where less time was seen behind the windows than this part of them, nothing is known to compare with. */
const leastLaterPart = 0.25
/** Late returns may take so many times as long as usual ones; Node's timers are no finer than the slack. */
const patience = 2
const slackMs = 1
/** Waiting takes at most this part of the time that it saves. */
const worthwhile = 0.7
/** So much of a run the last few may take: left behind, they would wait for all of it. */
const straggling = 0.03

/** The requests that wait, and what goes on meanwhile. */
export interface Gathering {
  /** At least 1. */
  readonly waitingRows: number
  /** Most rows of a run. */
  readonly batchRows: number
  /** Rows of the runs that go on. */
  readonly runningRows: number
  /** Runs that may go on at once: each gets its share. */
  readonly executors: number
  /** When the run of those who wait must have ended. */
  readonly lastMs: number
}

/**
 * A queue that always runs what waits falls into phases: half of 32 callers waits while the other half runs, at the rate of
 * 16 rows a run. Where callers are known to come back, waiting for them joins the phases.
 *
 * Whether they are is told by comparing arrivals right after runs with those at other times: callers that come at any time
 * do so as often in the one as in the other. Time and sizes are handed in; times are milliseconds that do not go back.
 */
export class Returns {
  readonly #latency: LatencyModel
  /** When the last run ended; -Infinity: nothing to measure. */
  #endMs = -Infinity
  #windowMs = 0
  #endedRows = 0
  /** Arrivals since then, within the window and behind it. */
  #soonRows = 0
  #laterRows = 0
  #lastSoonMs = 0
  #reachedMs: number | undefined
  #target = 0
  /** Sums over cycles from one end to the next. */
  #runs = 0
  #sums = { endedRows: 0, soonRows: 0, laterRows: 0, soonMs: 0, laterMs: 0 }
  #returnMs: number | undefined
  /** Rows that should still come back. */
  #missing = 0
  /** How many these were when the wait began; 0: nobody waits. */
  #awaited = 0
  #untilMs = Infinity

  constructor(latency: LatencyModel) {
    this.#latency = latency
  }

  get isKnown(): boolean {
    return this.#endMs !== -Infinity && this.#runs >= leastRuns
  }

  /** Part of the rows of a run that comes back right after it, 0 to 1; 0 while unknown. */
  get fraction(): number {
    const { endedRows, soonRows, laterRows, soonMs, laterMs } = this.#sums
    if (this.#runs < leastRuns || laterMs < leastLaterPart * soonMs) return 0
    const others = laterMs === 0 ? 0 : (laterRows / laterMs) * soonMs
    return Math.max(0, Math.min(1, (soonRows - others) / endedRows))
  }

  arrive(nowMs: number, rows: number): void {
    if (this.#endMs === -Infinity) return
    const afterMs = nowMs - this.#endMs
    this.#missing = Math.max(0, this.#missing - rows)
    this.#untilMs = Infinity
    if (afterMs > this.#windowMs) {
      if (afterMs <= (1 + laterWindows) * this.#windowMs) this.#laterRows += rows
      return
    }
    this.#soonRows += rows
    this.#lastSoonMs = afterMs
    if (this.#soonRows >= this.#target) this.#reachedMs ??= afterMs
  }

  /**
   * A run ended.
   *
   * @param ms its time
   * @param executors runs that may go on at once
   */
  end(nowMs: number, rows: number, ms: number, executors: number): void {
    if (this.#latency.alphaMs < leastAlphaMs) {
      this.#endMs = -Infinity
      this.#missing = 0
      return
    }
    if (this.#endMs !== -Infinity) this.#learn(nowMs)
    const { fraction } = this
    const expected = Math.round(fraction * rows)
    const stillMissing = nowMs < this.#boundMs ? this.#missing : 0
    this.#missing = fraction < leastFraction ? 0 : stillMissing + expected
    this.#target = expected === 0 ? rows : expected
    this.#endMs = nowMs
    this.#endedRows = rows
    this.#windowMs = (windowPart * ms) / executors
    this.#soonRows = 0
    this.#laterRows = 0
    this.#reachedMs = undefined
    this.#awaited = 0
    this.#untilMs = Infinity
  }

  /** When the wait for returns ends that was decided on last. */
  get untilMs(): number {
    return this.#untilMs
  }

  /**
   * How long it pays to wait for callers that are on their way back.
   *
   * @returns when to wait no longer; not above `nowMs` where what waits is to run now
   */
  waitsUntil(nowMs: number, { waitingRows, batchRows, runningRows, executors, lastMs }: Gathering): number {
    const share = Math.ceil((runningRows + waitingRows + this.#missing) / executors)
    const missing = Math.min(this.#missing, Math.min(share, batchRows) - waitingRows)
    if (missing < 1) return nowMs
    if (nowMs >= this.#boundMs || nowMs >= this.#untilMs) return this.#giveUp(nowMs)
    const paysMs = worthwhile * savedMs(this.#latency, waitingRows, missing)
    if (this.#remainingMs(nowMs) >= paysMs) return nowMs
    const untilMs = Math.min(this.#untilMs, this.#boundMs, nowMs + paysMs)
    const latency = this.#latency
    if (untilMs + latency.margin * latency.predict(waitingRows + missing) > lastMs) return nowMs
    if (this.#awaited === 0) this.#awaited = missing
    this.#untilMs = untilMs
    return untilMs
  }

  get #boundMs(): number {
    return this.#endMs + patience * (this.#returnMs ?? 0) + slackMs
  }

  #remainingMs(nowMs: number): number {
    const returnMs = this.#returnMs ?? Infinity
    const leftMs = returnMs - (nowMs - this.#endMs)
    return leftMs > 0 ? leftMs : (returnMs * this.#missing) / this.#target
  }

  /** Who waits in vain believes less from then on: half as much where nobody came, hardly less where a few are late. */
  #giveUp(nowMs: number): number {
    if (this.#awaited > 0) {
      this.#sums.soonRows *= 1 - 0.5 * Math.min(1, this.#missing / this.#target)
      this.#missing = 0
    }
    this.#awaited = 0
    return nowMs
  }

  #learn(nowMs: number): void {
    const afterMs = nowMs - this.#endMs
    const soonMs = Math.min(afterMs, this.#windowMs)
    const laterMs = Math.min(afterMs - soonMs, laterWindows * this.#windowMs)
    const sums = this.#sums
    sums.endedRows = decay * sums.endedRows + this.#endedRows
    sums.soonRows = decay * sums.soonRows + this.#soonRows
    sums.laterRows = decay * sums.laterRows + this.#laterRows
    sums.soonMs = decay * sums.soonMs + soonMs
    sums.laterMs = decay * sums.laterMs + laterMs
    this.#runs += 1
    if (this.#soonRows === 0) return
    const returnMs = this.#reachedMs ?? this.#lastSoonMs
    this.#returnMs = this.#returnMs === undefined ? returnMs : this.#returnMs + newest * (returnMs - this.#returnMs)
  }
}

/**
 * Time that one run of all rows saves: at most of two runs, one for those who are here and one for those who come; and at
 * most as much as leaves the rows per millisecond of a run that begins now.
 */
function savedMs(latency: LatencyModel, waiting: number, missing: number): number {
  const together = waiting + missing
  const apartMs = latency.predict(waiting) + latency.predict(missing) - latency.predict(together)
  const stragglersMs = straggling * latency.predict(together)
  return Math.min(apartMs, Math.max(stragglersMs, (latency.alphaMs * missing) / waiting))
}
