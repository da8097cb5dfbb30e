/** Counts in plain fields: what a request costs to measure. Prometheus sees them when it asks. */

/** Observed values in buckets, not cumulative; the last bucket is +Inf. */
export class Observations {
  readonly counts: Float64Array
  sum = 0
  readonly #bounds: readonly number[]

  /** @param bounds upper bounds of the buckets, ascending, without +Inf */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** @param times how often it was observed */
  observe(value: number, times = 1): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket += 1
    this.counts[bucket] = (this.counts[bucket] ?? 0) + times
    this.sum += value * times
  }
}

/** Makes the value of a key on first use. */
export function ensure<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
