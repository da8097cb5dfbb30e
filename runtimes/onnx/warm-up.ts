/** First runs with made-up inputs: they allocate what later runs reuse, and tell what a run costs. */
import { messageOf } from '../../src/runtime/index.ts'
import type { Tensor, TensorMetadata } from '../../src/runtime/index.ts'
import { sampleInputs } from './sample-inputs.ts'
import type { Run } from './session.ts'

/** Microseconds of a run inside its thread. Absent where no made-up input was accepted. */
export interface Timings {
  /** Median with one row. */
  readonly runUs?: number
  /** Best of a few with {@link manyRows} rows, where the first dimension is free and the model cheap. */
  readonly manyRowsUs?: number
  /** Bytes of the one-row inputs. */
  readonly rowBytes?: number
  /** Why there are none. */
  readonly failure?: string
}

export const manyRows = 32
/** Milliseconds for all runs of one row: a slow model is not run again and again. */
const budgetMs = 30
const mostRuns = 9
/** Above this no run is cheap enough to be inline, and nobody asks what a row costs. */
const cheapUs = 1000

/** Never throws: a model that refuses made-up inputs is as good as any. */
export async function warmUp(run: Run, inputs: readonly TensorMetadata[]): Promise<Timings> {
  let failure = 'it takes no made-up input'
  for (const value of [1, 0] as const) {
    const one = sampleInputs(inputs, 1, value)
    if (one === undefined) continue
    try {
      const runUs = await measure(run, one, mostRuns)
      const rowBytes = one.reduce((sum, input) => sum + (input.datatype === 'BYTES' ? 8 : input.data.byteLength), 0)
      const many = runUs < cheapUs ? sampleInputs(inputs, manyRows, value) : undefined
      const manyRowsUs = many === undefined ? undefined : await measureMany(run, many)
      return { runUs, rowBytes, ...(manyRowsUs === undefined ? {} : { manyRowsUs }) }
    } catch (reason) {
      failure = messageOf(reason)
    }
  }
  return { failure }
}

/** A model may take one row and refuse many. */
async function measureMany(run: Run, inputs: readonly Tensor[]): Promise<number | undefined> {
  try {
    return await measure(run, inputs, 3)
  } catch {
    return undefined
  }
}

/** The median in microseconds; the first run, which allocates, counts only where it is the only one. */
async function measure(run: Run, inputs: readonly Tensor[], most: number): Promise<number> {
  const times: number[] = []
  const begun = performance.now()
  for (let count = 0; count < most && (count < 2 || performance.now() - begun < budgetMs); count += 1) {
    const started = performance.now()
    await run({ inputs })
    times.push((performance.now() - started) * 1000)
    if (performance.now() - begun > budgetMs * 10) break
  }
  const counted = times.length > 1 ? times.slice(1) : times
  counted.sort((a, b) => a - b)
  return counted[Math.floor(counted.length / 2)] ?? 0
}
