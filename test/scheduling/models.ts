/** Models for tests of the queue: runs that end when the test says so, and one that gives its input back. */
import type { Batch, Model } from '../../src/core/model.ts'
import { type Tensor, tensor } from '../../src/core/tensor.ts'
import type { Preparation } from '../../src/scheduling/preparation-result.ts'

export const never: AbortSignal = new AbortController().signal

export const batchable: Preparation = { isBatchable: true, reason: 'test', samples: [] }

/** Seeds `α + βb`, known at once. */
export function seeded(alphaMs: number, betaMs: number): Preparation {
  const sizes = [1, 2, 4, 8, 16, 32, 64]
  return { ...batchable, samples: sizes.map((rows) => ({ rows, ms: alphaMs + betaMs * rows })) }
}

/** Runs start at the end of a turn of the event loop: here, after two of them. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

export function modelOf(predict: Model['predict'], concurrency = 1): Model {
  return {
    metadata: { platform: 'test', inputs: [], outputs: [] },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency,
    predict,
    close: async () => undefined,
  }
}

/** The inputs as they came, under the same names. */
export function echo(): Model {
  return modelOf(async ({ inputs }) => inputs)
}

export interface SteppedRun {
  readonly batch: Batch
  readonly signal: AbortSignal
  readonly finish: (outputs?: readonly Tensor[]) => void
  readonly fail: (reason: unknown) => void
}

/** A model whose runs end when the test says so; by default they give their inputs back. */
export function steppedModel(concurrency = 1) {
  const runs: SteppedRun[] = []
  const model = modelOf(
    (batch, signal) =>
      new Promise((resolve, reject) =>
        runs.push({ batch, signal, finish: (outputs = batch.inputs) => resolve(outputs), fail: reject }),
      ),
    concurrency,
  )
  return { model, runs }
}

/** One row for each value. */
export function rowsOf(...values: readonly number[]): Batch {
  return { inputs: [tensor('x', 'FP32', [values.length, 1], Float32Array.from(values))] }
}

/** The values of the first tensor. */
export function valuesOf([first]: readonly Tensor[]): readonly number[] {
  return first?.data instanceof Float32Array ? [...first.data] : []
}
