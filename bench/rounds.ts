/** Contenders measured in turns, so that whatever else the machine does falls on all of them. */

/** One measurement of one contender. */
export interface Sample {
  /** Requests or calls per second. */
  readonly perSecond: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Processor time of the server per request: it hardly changes when other programs want the core too. */
  readonly cpuUs?: number
}

export interface Contender {
  readonly name: string
  /** @param seconds how long to measure */
  measure(seconds: number): Promise<Sample>
}

export interface RoundOptions {
  readonly rounds: number
  readonly seconds: number
}

/** Warms every contender up, then measures A B C, A B C, …; samples by name, in the order of the rounds. */
export async function inRounds(
  contenders: readonly Contender[],
  { rounds, seconds }: RoundOptions,
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  for (const contender of contenders) await contender.measure(Math.min(2, seconds))
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) samples.get(contender.name)?.push(await contender.measure(seconds))
  }
  return samples
}

/** A figure over all rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? NaN
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2
  return { median, least: sorted[0] ?? NaN, most: sorted.at(-1) ?? NaN }
}

/** One figure of all samples; undefined where one lacks it. */
export function spreadBy(
  samples: readonly Sample[],
  figure: (sample: Sample) => number | undefined,
): Spread | undefined {
  const values = samples.map(figure).filter((value) => value !== undefined)
  return values.length === 0 || values.length < samples.length ? undefined : spreadOf(values)
}

/** Ratios of samples taken in the same round: noise that lasts longer than a round falls out. */
export function ratioOf(samples: readonly Sample[], baseline: readonly Sample[]): Spread {
  return spreadOf(samples.map(({ perSecond }, round) => perSecond / (baseline[round]?.perSecond ?? NaN)))
}

/** The same by processor time: what the ratio would be if each had a core of its own. */
export function cpuRatioOf(samples: readonly Sample[], baseline: readonly Sample[]): Spread | undefined {
  const ratios = samples.map(({ cpuUs }, round) => (baseline[round]?.cpuUs ?? NaN) / (cpuUs ?? NaN))
  return ratios.some(Number.isNaN) ? undefined : spreadOf(ratios)
}
