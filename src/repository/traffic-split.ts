/** Divides the requests of one name among several targets by per cent, evenly from the first request on. */

export interface Share<T> {
  readonly target: T
  /** 0 to 100; all shares of a split together 100. */
  readonly percent: number
}

/**
 * A sequence of the golden ratio: any stretch of `n` requests is within a few requests of its shares, and yet no caller
 * that asks at a fixed rhythm meets one target always.
 */
const goldenRatio = 0.618_033_988_749_894_9

export class TrafficSplit<T> {
  readonly shares: readonly Share<T>[]
  #point = 0.5

  constructor(shares: readonly Share<T>[]) {
    this.shares = shares
  }

  /**
   * The target of the next request.
   *
   * @param canAnswer a target that cannot is passed over, its requests go to the first that can
   */
  next(canAnswer: (target: T) => boolean): T | undefined {
    this.#point += goldenRatio
    if (this.#point >= 1) this.#point -= 1
    let sum = 0
    for (const { target, percent } of this.shares) {
      sum += percent
      if (this.#point * 100 < sum && percent > 0) {
        if (canAnswer(target)) return target
        break
      }
    }
    return this.shares.find(({ target }) => canAnswer(target))?.target
  }
}
