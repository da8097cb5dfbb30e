import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Batch } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { batchable, echo, modelOf, never, rowsOf, seeded, settled, steppedModel, valuesOf } from './models.ts'

const policy = { name: 'm', maxQueueSize: 1000, preparation: batchable }

/** A model whose first run is on its way, so that what comes now shares the next one. */
async function busyModel() {
  const { model, runs } = steppedModel()
  const scheduled = schedule(model, policy)
  const first = scheduled.predict(rowsOf(0), never)
  await settled()
  return { scheduled, runs, first }
}

describe('traps that batchers fall into', () => {
  it('cancelling one of four batched requests does not hang the later two', async () => {
    const { scheduled, runs, first } = await busyModel()
    const gone = new AbortController()
    const answers = [1, 2, 3, 4].map((value) => scheduled.predict(rowsOf(value), value === 2 ? gone.signal : never))
    await settled()
    runs[0]?.finish()
    await settled()
    expect(runs[1]?.batch.inputs[0]?.shape).toEqual([4, 1])
    gone.abort()
    await expect(answers[1]).rejects.toMatchObject({ code: 'cancelled' })
    runs[1]?.finish()
    expect(valuesOf((await answers[0]) ?? [])).toEqual([1])
    expect(valuesOf((await answers[2]) ?? [])).toEqual([3])
    expect(valuesOf((await answers[3]) ?? [])).toEqual([4])
    expect(runs[1]?.signal.aborted).toBe(false)
    await first
  })

  it('[1,2] and [1,3] are not merged', async () => {
    const shapes: (readonly number[] | undefined)[] = []
    const model = modelOf(async ({ inputs }) => {
      shapes.push(inputs[0]?.shape)
      return inputs
    })
    const scheduled = schedule(model, policy)
    const two: Batch = { inputs: [tensor('x', 'FP32', [1, 2], Float32Array.of(1, 2))] }
    const three: Batch = { inputs: [tensor('x', 'FP32', [1, 3], Float32Array.of(3, 4, 5))] }
    const [a, b] = await Promise.all([scheduled.predict(two, never), scheduled.predict(three, never)])
    expect(a).toEqual(two.inputs)
    expect(b).toEqual(three.inputs)
    expect(shapes).toEqual([
      [1, 2],
      [1, 3],
    ])
  })

  it("a caller with inputs {x} gets nothing computed from another caller's y", async () => {
    const scheduled = schedule(
      modelOf(async ({ inputs }) => [
        tensor(
          'names',
          'BYTES',
          [inputs[0]?.shape[0] ?? 0],
          inputs.map(({ name }) => new TextEncoder().encode(name)),
        ),
      ]),
      policy,
    )
    const y = { inputs: [tensor('x', 'FP32', [1], new Float32Array(1)), tensor('y', 'FP32', [1], new Float32Array(1))] }
    const x = { inputs: [tensor('x', 'FP32', [1], new Float32Array(1))] }
    const [, alone] = await Promise.all([scheduled.predict(y, never), scheduled.predict(x, never)])
    expect(alone?.[0]?.data).toEqual([new TextEncoder().encode('x')])
  })

  it('INT64 and FP32 of one name are not merged', async () => {
    const scheduled = schedule(echo(), policy)
    const long = { inputs: [tensor('x', 'INT64', [1], BigInt64Array.of(7n))] }
    const float = { inputs: [tensor('x', 'FP32', [1], Float32Array.of(7))] }
    const answers = await Promise.all([scheduled.predict(long, never), scheduled.predict(float, never)])
    expect(answers).toEqual([long.inputs, float.inputs])
  })

  it('one `shape: []` fails alone', async () => {
    const scheduled = schedule(
      modelOf(async ({ inputs }) => {
        if (inputs[0]?.shape.length === 0) throw new InferenceError('invalid_argument', 'a scalar')
        return inputs
      }),
      policy,
    )
    const scalar = scheduled.predict({ inputs: [tensor('x', 'FP32', [], new Float32Array(1))] }, never)
    const others = [1, 2].map((value) => scheduled.predict(rowsOf(value), never))
    await expect(scalar).rejects.toMatchObject({ code: 'invalid_argument' })
    expect((await Promise.all(others)).map(valuesOf)).toEqual([[1], [2]])
  })

  it('a model without outputs answers every caller', async () => {
    const scheduled = schedule(
      modelOf(async () => []),
      policy,
    )
    const answers = await Promise.all([1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never)))
    expect(answers).toEqual([[], [], []])
  })

  it('a 100-row request under a limit of 4 waits for no window', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, { ...policy, maxRows: 4, options: { maxQueueDelayMs: 60_000 } })
    const answer = scheduled.predict(rowsOf(...Array.from({ length: 100 }, (_, row) => row)), never)
    await settled()
    expect(runs).toHaveLength(1)
    expect(runs[0]?.batch.inputs[0]?.shape).toEqual([100, 1])
    runs[0]?.finish()
    await expect(answer).resolves.toHaveLength(1)
  })

  it('40 requests put no more runs in flight than the model takes', async () => {
    const { model, runs } = steppedModel(2)
    const scheduled = schedule(model, { ...policy, maxRows: 2 })
    const answers = Array.from({ length: 40 }, (_, value) => scheduled.predict(rowsOf(value), never))
    await settled()
    expect(runs).toHaveLength(2)
    for (let run = 0; run < 20; run += 1) {
      expect(runs.length - run).toBeLessThanOrEqual(2)
      runs[run]?.finish()
      await settled()
    }
    expect((await Promise.all(answers)).flatMap(valuesOf)).toEqual(Array.from({ length: 40 }, (_, value) => value))
  })

  it('requests with other parameters or outputs do not share a run; nothing else of a caller gets to the model', async () => {
    const seen: Batch[] = []
    const model = modelOf(async (batch) => {
      seen.push(batch)
      return batch.inputs
    })
    const scheduled = schedule(model, policy)
    const batches: readonly Batch[] = [
      { ...rowsOf(1), parameters: { tenant: 'a' } },
      { ...rowsOf(2), parameters: { tenant: 'b' } },
      { ...rowsOf(3), outputs: ['x'] },
      rowsOf(4),
      { ...rowsOf(5), parameters: {} },
    ]
    const answers = await Promise.all(batches.map((batch) => scheduled.predict(batch, never)))
    expect(answers.map(valuesOf)).toEqual([[1], [2], [3], [4], [5]])
    expect(seen.map(({ inputs }) => inputs[0]?.shape[0])).toEqual([1, 1, 1, 2])
  })

  it('an hour of single requests does not end in batches of one', async () => {
    const scheduled = schedule(echo(), { ...policy, preparation: seeded(0.02, 0.0002) })
    for (let request = 0; request < 500; request += 1) await scheduled.predict(rowsOf(request), never)
    expect(scheduled.scheduling().batchSize).toBe(128)
  })
})
