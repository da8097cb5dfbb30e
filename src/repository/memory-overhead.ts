/** What models take of this process beyond what they say themselves: learned from its memory while their number grows. */

/** Fewer models are lost in what a process takes anyway: code that is compiled, threads, buffers. */
const leastModels = 8
/** Steps in which the number of models is noted. */
const step = 1.25

interface Mark {
  readonly models: number
  /** Memory of the process less what its models say. */
  readonly restBytes: number
}

/**
 * The slope between half of the most models so far and all of them. Memory that models have left is not given back at once, so that only
 * a number that was never reached before tells anything; what the first ones bring along is not theirs.
 */
export class MemoryOverhead {
  readonly #scriptBytes: number
  readonly #marks: Mark[] = []
  #bytes = 0

  /** @param scriptBytes what the heap of JavaScript holds of a loaded model, which garbage hides */
  constructor(scriptBytes = 0) {
    this.#scriptBytes = scriptBytes
  }

  /** Of each model, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * @param models that are loaded in this process
   * @param saidBytes what they say together
   * @param residentBytes of this process now; asked only where that tells anything
   */
  learn(models: number, saidBytes: number, residentBytes: () => number): void {
    const last = this.#marks.at(-1)
    if (models < Math.max(leastModels, (last?.models ?? 0) * step)) return
    const mark: Mark = { models, restBytes: residentBytes() - saidBytes }
    this.#marks.push(mark)
    const half = this.#marks.findLast((each) => each.models <= models / 2)
    if (half !== undefined) {
      const slope = (mark.restBytes - half.restBytes) / (mark.models - half.models)
      this.#bytes = Math.max(0, slope) + this.#scriptBytes
    }
  }
}

/** Memory of this process outside of the heap of JavaScript, which grows and shrinks as garbage does. In bytes. */
export function residentBytes(): number {
  const { rss, heapTotal } = process.memoryUsage()
  return rss - heapTotal
}
