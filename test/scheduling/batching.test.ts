import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import type { Model } from '../../src/core/model.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { batchable, echo, modelOf, never, rowsOf, seeded, settled, steppedModel, valuesOf } from './models.ts'

const policy = { name: 'm', maxQueueSize: 1000, preparation: batchable }

describe('batching', () => {
  it('joins what arrives in one turn of the event loop, in order, and tells each when it starts', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, policy)
    const started: number[] = []
    const answers = [1, 2, 3].map((value) =>
      scheduled.predict(rowsOf(value, value * 10), never, { onStart: () => started.push(value) }),
    )
    await settled()
    expect(runs).toHaveLength(1)
    expect(started).toEqual([1, 2, 3])
    runs[0]?.finish()
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
    ])
    expect(scheduled.scheduling().batches).toMatchObject([{ rows: 6, executions: 1 }])
  })

  it('joins no more rows than the model computes where it is called', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule({ ...model, inlineBytes: 2 * Float32Array.BYTES_PER_ELEMENT }, policy)
    const answers = [rowsOf(1), rowsOf(2), rowsOf(3), rowsOf(4, 5, 6), rowsOf(7)].map((rows) =>
      scheduled.predict(rows, never),
    )
    for (let run = 0; run < 3; run += 1) {
      await settled()
      runs[run]?.finish()
    }
    expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3], [4, 5, 6], [7]])
    // Three rows are too many by themselves: they are sent away, and others may go with them.
    expect(runs.map(({ batch }) => batch.inputs[0]?.shape[0])).toEqual([2, 1, 4])
  })

  it('hands on the batch of a single request untouched', async () => {
    const { model, runs } = steppedModel()
    const batch = rowsOf(1)
    const signal = new AbortController().signal
    const answer = schedule(model, policy).predict(batch, signal)
    await settled()
    expect(runs[0]?.batch).toBe(batch)
    expect(runs[0]?.signal).toBe(signal)
    runs[0]?.finish()
    await answer
  })

  it('counts rows, and never splits a request', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, { ...policy, maxRows: 4 })
    const answers = [rowsOf(1, 2, 3), rowsOf(4, 5), rowsOf(6, 7), rowsOf(8, 9, 10, 11, 12), rowsOf(13)].map((batch) =>
      scheduled.predict(batch, never),
    )
    for (let run = 0; run < 5; run += 1) {
      await settled()
      runs[run]?.finish()
    }
    await Promise.all(answers)
    expect(runs.map(({ batch }) => valuesOf(batch.inputs))).toEqual([[1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11, 12], [13]])
  })

  it('does without where it was not proved, was switched off, or a run takes one row', async () => {
    const off = { ...policy, options: { batching: 'off' } } as const
    for (const [given, reason] of [
      [{ name: 'm', maxQueueSize: 10 }, 'not examined at load'],
      [{ ...policy, preparation: { isBatchable: false, reason: 'row 0 sees row 1', samples: [] } }, 'row 0 sees row 1'],
      [off, 'switched off'],
      [{ ...policy, maxRows: 1 }, 'max_batch_size is 1'],
    ] as const) {
      const { model, runs } = steppedModel(4)
      const scheduled = schedule(model, given)
      expect(scheduled.scheduling()).toMatchObject({ isBatching: false, reason, batchSize: 1, efficientBatch: 1 })
      const answers = [1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never))
      await settled()
      expect(runs).toHaveLength(3)
      for (const run of runs) run.finish()
      expect((await Promise.all(answers)).map(valuesOf)).toEqual([[1], [2], [3]])
    }
  })

  it('joins without proof where it is told to', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 10, options: { batching: 'on' } })
    const answers = [1, 2].map((value) => scheduled.predict(rowsOf(value), never))
    await settled()
    expect(runs).toHaveLength(1)
    runs[0]?.finish()
    await Promise.all(answers)
  })

  it('begins no joined run before an executor is free, whatever may be under way', async () => {
    const sizes: number[] = []
    const predict: Model['predict'] = async ({ inputs }) => {
      sizes.push(inputs[0]?.shape[0] ?? 0)
      expect(scheduled.scheduling().runningBatches).toBe(1)
      return inputs
    }
    const scheduled = schedule({ ...modelOf(predict, 32), executors: 1 }, policy)
    await Promise.all(Array.from({ length: 20 }, (_, value) => scheduled.predict(rowsOf(value), never)))
    expect(sizes).toEqual([8, 8, 4]) // eight until more is known
  })

  it('sends a full run ahead where the model takes it, times it from the end of the one before, and nothing else', async () => {
    const { model, runs } = steppedModel(3)
    let nowMs = 0
    const { samples } = seeded(1, 1)
    const preparation = { ...batchable, samples }
    const scheduled = schedule({ ...model, executors: 1 }, { ...policy, preparation, maxRows: 4, now: () => nowMs })
    const ask = (count: number) => Array.from({ length: count }, (_, value) => scheduled.predict(rowsOf(value), never))
    const answers = ask(11)
    await settled()
    expect(runs.map(({ batch }) => batch.inputs[0]?.shape[0])).toEqual([4, 4])
    nowMs += 5
    runs[0]?.finish()
    await settled()
    expect(runs).toHaveLength(2) // three wait: more may come
    answers.push(...ask(2))
    await settled()
    expect(runs.map(({ batch }) => batch.inputs[0]?.shape[0])).toEqual([4, 4, 4])
    nowMs += 6
    for (let run = 1; run < 4; run += 1) {
      runs[run]?.finish()
      await settled()
    }
    await Promise.all(answers)
    const batches = [
      { rows: 1, executions: 1, computeMs: 0 },
      { rows: 4, executions: 3, computeMs: 11 },
    ]
    expect(scheduled.scheduling()).toMatchObject({ batches, runningBatches: 0 })
  })

  it('times each of several runs that a model of the main thread computes in one turn', async () => {
    let nowMs = 0
    const model = {
      ...modelOf(async ({ inputs }) => {
        nowMs += 2
        return inputs
      }, 32),
      metadata: { platform: 'test', inputs: [], outputs: [], parameters: { placement: 'inline' } },
    }
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 100, now: () => nowMs })
    await Promise.all(Array.from({ length: 20 }, (_, value) => scheduled.predict(rowsOf(value), never)))
    expect(scheduled.scheduling().batches).toEqual([{ rows: 1, executions: 20, computeMs: 40 }])
  })

  it('learns how many rows pay, and shows what it knows', async () => {
    const scheduled = schedule(echo(), { ...policy, preparation: seeded(1, 1) })
    expect(scheduled.scheduling()).toMatchObject({
      isBatching: true,
      reason: 'test',
      efficientBatch: 19,
      batchSize: 19,
      waitingRequests: 0,
      expectedWaitMs: 0,
      refusals: { queue_full: 0, slo: 0, deadline: 0, timeout: 0, cancelled: 0 },
    })
    expect(scheduled.scheduling().alphaMs).toBeCloseTo(1, 5)
    expect(scheduled.scheduling().betaMs).toBeCloseTo(1, 5)
  })

  it('keeps the kinds of requests apart and serves them in order of arrival', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, policy)
    const first = scheduled.predict(rowsOf(0), never)
    await settled()
    const kinds = ['a', 'b', 'a', 'c', 'b'].map((kind, value) =>
      scheduled.predict({ ...rowsOf(value + 1), parameters: { kind } }, never),
    )
    for (let run = 0; run < 4; run += 1) {
      runs[run]?.finish()
      await settled()
    }
    await Promise.all([first, ...kinds])
    expect(runs.map(({ batch }) => valuesOf(batch.inputs))).toEqual([[0], [1, 3], [2, 5], [4]])
  })

  it.each([
    ['one by one where only the first signature was proved', 'auto', [[0], [1], [2], [3]]],
    ['with their like where the settings say so', 'on', [[0], [1, 3], [2]]],
  ] as const)('runs requests for other signatures %s', async (_title, mode, expected) => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, { ...policy, options: { batching: mode } })
    const first = scheduled.predict(rowsOf(0), never)
    await settled()
    const names = ['a', 'b', 'a'].map((name, value) =>
      scheduled.predict({ ...rowsOf(value + 1), parameters: { signature_name: name } }, never),
    )
    for (let run = 0; run < expected.length; run += 1) {
      runs[run]?.finish()
      await settled()
    }
    await Promise.all([first, ...names])
    expect(runs.map(({ batch }) => valuesOf(batch.inputs))).toEqual(expected)
  })

  it('forgets kinds of requests that were not seen for long, but answers all of them', async () => {
    const scheduled = schedule(echo(), { ...policy, maxQueueSize: 10_000 })
    const answers = Array.from({ length: 1000 }, (_, value) =>
      scheduled.predict({ ...rowsOf(value), parameters: { kind: value % 300 } }, never),
    )
    expect((await Promise.all(answers)).flatMap(valuesOf)).toEqual(Array.from({ length: 1000 }, (_, value) => value))
    expect(scheduled.scheduling()).toMatchObject({ waitingRequests: 0, waitingRows: 0, runningBatches: 0 })
  })

  it('says in the log when the batch size becomes another', async () => {
    const lines: object[] = []
    const log = { ...silentLog, info: (fields: object, message: string) => lines.push({ ...fields, message }) }
    const scheduled = schedule(echo(), { ...policy, preparation: seeded(1, 1), log })
    await scheduled.predict(rowsOf(1), never)
    await scheduled.predict(rowsOf(2), never)
    expect(lines).toMatchObject([{ model: 'm', rows: 19, before: 0, message: 'batch size' }])
  })
})
