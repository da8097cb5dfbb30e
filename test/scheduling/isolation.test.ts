import { describe, expect, it } from 'vitest'
import { InferenceError, type ErrorCode } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { batchable, modelOf, never, rowsOf, settled, steppedModel, valuesOf } from './models.ts'

const policy = { name: 'm', maxQueueSize: 1000, preparation: batchable }

describe('a failing run', () => {
  it('fails for the culprit alone, after no more than log2 retries of anyone', async () => {
    const sizes: number[] = []
    const model = modelOf(async ({ inputs }) => {
      sizes.push(inputs[0]?.shape[0] ?? 0)
      if (valuesOf(inputs).includes(5)) throw new InferenceError('invalid_argument', 'five is bad')
      return inputs
    })
    const scheduled = schedule(model, policy)
    const answers = await Promise.allSettled(
      [1, 2, 3, 4, 5, 6, 7, 8].map((value) => scheduled.predict(rowsOf(value), never)),
    )
    expect(answers.map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
      true,
      true,
    ])
    expect(answers[4]).toMatchObject({ reason: { code: 'invalid_argument', message: 'five is bad' } })
    expect(sizes).toEqual([8, 4, 4, 2, 1, 1, 2])
    await settled()
    expect(scheduled.scheduling().isolations).toBe(8)
    expect(scheduled.scheduling()).toMatchObject({ isBatching: true, runningBatches: 0, waitingRequests: 0 })
  })

  it('gives each caller an error object and message of its own', async () => {
    const model = modelOf(async ({ inputs }) => {
      throw new InferenceError('invalid_argument', `bad: ${valuesOf(inputs).join()}`)
    })
    const scheduled = schedule(model, policy)
    const answers = await Promise.allSettled([1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never)))
    const reasons = answers.map((answer): unknown => (answer.status === 'rejected' ? answer.reason : undefined))
    expect(reasons.map((reason) => (reason as Error).message)).toEqual(['bad: 1', 'bad: 2', 'bad: 3'])
    expect(new Set(reasons).size).toBe(3)
  })

  it.each<ErrorCode>(['unavailable', 'deadline_exceeded', 'resource_exhausted'])(
    'is not run again where it is %s',
    async (code) => {
      let runs = 0
      const model = modelOf(async () => {
        runs += 1
        throw new InferenceError(code, 'not now', { retryAfterMs: 5 })
      })
      const scheduled = schedule(model, policy)
      const answers = await Promise.allSettled([1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never)))
      const reasons = answers.map((answer): unknown => (answer.status === 'rejected' ? answer.reason : undefined))
      for (const reason of reasons) expect(reason).toMatchObject({ code, message: 'not now', retryAfterMs: 5 })
      expect(new Set(reasons).size).toBe(3)
      expect(runs).toBe(1)
    },
  )

  it('ends batching for a kind of request that never runs joined', async () => {
    const model = modelOf(async ({ inputs }) => {
      if ((inputs[0]?.shape[0] ?? 0) > 1) throw new Error('one row only')
      return inputs
    })
    const lines: string[] = []
    const log = { ...silentLog, warn: (_: unknown, message: string) => lines.push(message) }
    const scheduled = schedule(model, { ...policy, log })
    for (let round = 0; round < 4; round += 1) {
      const answers = await Promise.all([1, 2].map((value) => scheduled.predict(rowsOf(value), never)))
      expect(answers.map(valuesOf)).toEqual([[1], [2]])
    }
    expect(scheduled.scheduling().isBatching).toBe(false)
    expect(scheduled.scheduling().isolations).toBe(6)
    expect(lines).toEqual(['batching switched off for one kind of request'])
  })

  it('is taken apart, and batching ends, where a model mixes up rows', async () => {
    const model = modelOf(async ({ inputs }) => {
      const sum = valuesOf(inputs).reduce((total, value) => total + value, 0)
      return [tensor('y', 'FP32', [1, 1], Float32Array.of(sum))]
    })
    const lines: string[] = []
    const log = { ...silentLog, warn: (_: unknown, message: string) => lines.push(message) }
    const scheduled = schedule(model, { ...policy, log })
    const answers = await Promise.all([1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never)))
    expect(answers.map(valuesOf)).toEqual([[1], [2], [3]])
    expect(scheduled.scheduling()).toMatchObject({ isBatching: false, reason: /rows cannot be told apart/ })
    expect(lines).toEqual(['batching switched off'])
  })

  it('is aborted when all of its callers are gone, and only then', async () => {
    const { model, runs } = steppedModel()
    const scheduled = schedule(model, policy)
    const callers = [new AbortController(), new AbortController()]
    const answers = callers.map(({ signal }, value) => scheduled.predict(rowsOf(value), signal))
    const settledAnswers = Promise.allSettled(answers)
    await settled()
    expect(runs).toHaveLength(1)
    callers[0]?.abort()
    expect(runs[0]?.signal.aborted).toBe(false)
    callers[1]?.abort()
    expect(runs[0]?.signal.aborted).toBe(true)
    expect((await settledAnswers).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    runs[0]?.fail(new Error('stopped'))
    await settled()
    expect(runs).toHaveLength(1)
    expect(scheduled.scheduling()).toMatchObject({ runningBatches: 0, isBatching: true })
  })

  it('leaves the queue working where a model throws instead of rejecting', async () => {
    const model = modelOf(() => {
      throw new InferenceError('internal', 'thrown')
    })
    const scheduled = schedule(model, policy)
    const answers = await Promise.allSettled([1, 2].map((value) => scheduled.predict(rowsOf(value), never)))
    for (const answer of answers) expect(answer).toMatchObject({ reason: { message: 'thrown' } })
    await settled()
    expect(scheduled.scheduling().runningBatches).toBe(0)
  })
})
