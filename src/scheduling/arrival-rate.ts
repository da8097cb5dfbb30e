/** How many rows arrive in a millisecond. */

/** Weight of the newest gap: the last hundred or so count. */
const weight = 0.01
/** A gap counts for no more than so many usual ones: an hour of silence is not the rate of what comes after it. */
const longestGap = 50
/** Requests of one turn of the event loop have no gaps between them, those of two turns do. */
const shortestBoundMs = 20

export class ArrivalRate {
  #lastMs: number | undefined
  #meanGapMs = 0
  #meanRows = 1

  /** @param nowMs does not go back */
  arrive(nowMs: number, rows: number): void {
    if (this.#lastMs !== undefined) {
      const gapMs = nowMs - this.#lastMs
      if (this.#meanGapMs === 0) this.#meanGapMs = gapMs
      else {
        const bounded = Math.min(gapMs, Math.max(shortestBoundMs, longestGap * this.#meanGapMs))
        this.#meanGapMs += weight * (bounded - this.#meanGapMs)
      }
    }
    this.#meanRows += weight * (rows - this.#meanRows)
    this.#lastMs = nowMs
  }

  /** Rows per millisecond; 0 while unknown. */
  get perMs(): number {
    return this.#meanGapMs > 0 ? this.#meanRows / this.#meanGapMs : 0
  }

  /** The same for a reader later on: silence counts as well. */
  perMsAt(nowMs: number): number {
    if (this.#lastMs === undefined || this.#meanGapMs === 0) return 0
    const silence = (nowMs - this.#lastMs) / (longestGap * this.#meanGapMs)
    return silence > 1 ? this.perMs / silence : this.perMs
  }
}
