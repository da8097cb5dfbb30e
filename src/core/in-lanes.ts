/** Work on many things, a few at a time. */

/**
 * @param lanes how many at once, at least 1
 * @returns what came of each, in the order of the things; rejects with the first failure
 */
export async function inLanes<T, R>(
  things: readonly T[],
  lanes: number,
  work: (thing: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = []
  const entries = things.entries()
  const lane = async (): Promise<void> => {
    // Shared by all lanes: each takes the next one.
    for (const [index, thing] of entries) results[index] = await work(thing)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, things.length) }, lane))
  return results
}
