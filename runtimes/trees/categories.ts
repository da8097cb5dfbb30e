/** Sets of categories as runs of neighbours: a split on a set becomes a few comparisons. */

export interface Run {
  readonly first: number
  readonly last: number
}

/** @param categories whole numbers, in any order */
export function runsOf(categories: readonly number[]): readonly Run[] {
  const runs: Run[] = []
  let first: number | undefined
  let last = 0
  for (const category of categories.toSorted((a, b) => a - b)) {
    if (first !== undefined && category > last + 1) {
      runs.push({ first, last })
      first = category
    }
    first ??= category
    last = category
  }
  if (first !== undefined) runs.push({ first, last })
  return runs
}
