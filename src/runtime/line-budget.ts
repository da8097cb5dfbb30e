/** How many lines of a process of others go into the log: bounded a second, the rest counted. Pure. */

/** A program that says more is in trouble; the first lines tell which. */
const linesPerSecond = 100

export class LineBudget {
  #windowStart = -Infinity
  #written = 0
  #dropped = 0

  /**
   * @param now milliseconds of any clock that only grows
   * @returns undefined where the line is dropped, else how many were dropped before it
   */
  take(now: number): number | undefined {
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now
      this.#written = 0
    }
    if (this.#written >= linesPerSecond) {
      this.#dropped += 1
      return undefined
    }
    this.#written += 1
    const dropped = this.#dropped
    this.#dropped = 0
    return dropped
  }
}
