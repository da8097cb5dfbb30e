/** First runs with made-up inputs: they allocate what later runs reuse, and tell what a run costs. */
import { messageOf, sampleInputs, totalBytes } from '../../src/runtime/index.ts'
import type { Sample, Tensor, TensorMetadata } from '../../src/runtime/index.ts'
import type { Run } from './session.ts'

/** Microseconds of a run inside its thread. Absent where no made-up input was accepted. */
export interface Timings {
  /** With one row. */
  readonly runUs?: number
  /** With {@link manyRows} rows, where the first dimension is free and the model cheap. */
  readonly manyRowsUs?: number
  /** Bytes of the one-row inputs. */
  readonly rowBytes?: number
  /** What {@link sampleInputs} was given. */
  readonly sample?: Sample
  /** Why there are none. */
  readonly failure?: string
}

export const manyRows = 32
/** Milliseconds for all runs of one size, waiting for a core not counted: a slow model is not run again and again. */
const budgetMs = 10
/** Enough for the compiler to settle in a new thread. */
const mostRuns = 100
/** Above this no run is cheap enough to be inline, and nobody asks what a row costs. */
const cheapUs = 1000

/** Sizes of free dimensions besides the first, by preference: what models of that rank usually see, else the least. */
const attempts = [
  { integer: 1, isTypical: true },
  { integer: 0, isTypical: true },
  { integer: 1, isTypical: false },
  { integer: 0, isTypical: false },
] as const

/**
 * Never throws: a model that refuses made-up inputs is as good as any.
 *
 * @param known of an earlier session of the same file: one run is enough then
 */
export async function warmUp(run: Run, inputs: readonly TensorMetadata[], known?: Timings): Promise<Timings> {
  if (known !== undefined) {
    const one = known.sample && sampleInputs(inputs, 1, known.sample)
    try {
      if (one !== undefined) await run({ inputs: one })
      return known
    } catch {
      // It does not run as it did: what is known is of no use.
    }
  }
  let failure = 'it takes no made-up input'
  for (const sample of attempts) {
    const one = sampleInputs(inputs, 1, sample)
    if (one === undefined) continue
    try {
      const runUs = await measure(run, one)
      const many = runUs < cheapUs ? sampleInputs(inputs, manyRows, sample) : undefined
      const manyRowsUs = many === undefined ? undefined : await measureMany(run, many)
      return { runUs, rowBytes: totalBytes(one), sample, ...(manyRowsUs === undefined ? {} : { manyRowsUs }) }
    } catch (reason) {
      failure = messageOf(reason)
    }
  }
  return { failure }
}

/** A model may take one row and refuse many. */
async function measureMany(run: Run, inputs: readonly Tensor[]): Promise<number | undefined> {
  try {
    return await measure(run, inputs)
  } catch {
    return undefined
  }
}

/** The least of the later half, in microseconds: earlier runs allocate and run uncompiled, and a busy machine only adds. */
async function measure(run: Run, inputs: readonly Tensor[]): Promise<number> {
  const times: number[] = []
  let leastMs = Infinity
  const begun = performance.now()
  while (times.length < mostRuns && (times.length < 2 || leastMs * times.length < budgetMs)) {
    const started = performance.now()
    await run({ inputs })
    const runMs = performance.now() - started
    leastMs = Math.min(leastMs, runMs)
    times.push(runMs * 1000)
    if (performance.now() - begun > budgetMs * 20) break
  }
  return Math.min(...times.slice(Math.floor(times.length / 2)))
}
