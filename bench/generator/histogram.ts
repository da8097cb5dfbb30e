/** Latencies in buckets that widen with the value, as HdrHistogram's: a fixed size and an error below one percent. */

/** Buckets for each doubling: 1/128 is an error of 0.8 %. */
const perDoubling = 128
/** From one microsecond to over a thousand seconds. */
const leastMs = 0.001
const doublings = 30

export class Histogram {
  readonly #counts = new Float64Array(perDoubling * doublings)
  #count = 0
  #longest = 0

  get count(): number {
    return this.#count
  }

  /** The longest of all, exactly; 0 where there are none. */
  get longest(): number {
    return this.#longest
  }

  /** @param ms below one microsecond counts as one; above 1,000 seconds in the last bucket */
  record(ms: number): void {
    this.#count += 1
    if (ms > this.#longest) this.#longest = ms
    const index = ms <= leastMs ? 0 : Math.floor(Math.log2(ms / leastMs) * perDoubling)
    const bucket = Math.min(index, this.#counts.length - 1)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
  }

  /**
   * The value that this share of all values does not exceed.
   *
   * @param fraction from 0 to 1
   * @returns milliseconds, at most 0.8 % above the exact value; NaN where there are none
   */
  percentile(fraction: number): number {
    if (this.#count === 0) return NaN
    const rank = Math.max(1, Math.ceil(fraction * this.#count))
    let seen = 0
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count
      if (seen >= rank) return Math.min(this.#longest, leastMs * 2 ** ((bucket + 1) / perDoubling))
    }
    return this.#longest
  }
}
