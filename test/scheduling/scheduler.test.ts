import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Batch, Model } from '../../src/core/model.ts'
import type { Tensor } from '../../src/core/tensor.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'

/** A model whose runs end when the test says so. */
function steppedModel(concurrency: number) {
  const runs: { batch: Batch; finish: (outputs?: readonly Tensor[]) => void; fail: (reason: unknown) => void }[] = []
  const model: Model = {
    metadata: { platform: 'test', inputs: [], outputs: [] },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency,
    predict: (batch) =>
      new Promise((resolve, reject) => runs.push({ batch, finish: (outputs = []) => resolve(outputs), fail: reject })),
    close: async () => undefined,
  }
  return { model, runs }
}

const batch = (id: number): Batch => ({ inputs: [], parameters: { id } })
const never = new AbortController().signal
/** Runs start at the end of a turn of the event loop: here, after two of them. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

describe('schedule', () => {
  it('runs as many at once as the model takes, in order of arrival', async () => {
    const { model, runs } = steppedModel(2)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 10 })
    const answers = [1, 2, 3, 4].map((id) => scheduled.predict(batch(id), never))
    await settled()
    expect(runs.map((run) => run.batch.parameters?.['id'])).toEqual([1, 2])
    runs[1]?.finish()
    await settled()
    expect(runs.map((run) => run.batch.parameters?.['id'])).toEqual([1, 2, 3])
    runs[0]?.finish()
    runs[2]?.finish()
    await settled()
    runs[3]?.finish()
    await expect(Promise.all(answers)).resolves.toHaveLength(4)
  })

  it('refuses a request when the queue is full, and says when to retry', async () => {
    const { model, runs } = steppedModel(1)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 1 })
    const first = scheduled.predict(batch(1), never)
    const second = scheduled.predict(batch(2), never)
    const refused: unknown = await scheduled.predict(batch(3), never).catch((reason: unknown) => reason)
    expect(refused).toBeInstanceOf(InferenceError)
    expect(refused).toMatchObject({ code: 'resource_exhausted', message: /queue is full, 1 requests wait/ })
    expect((refused as InferenceError).retryAfterMs).toBeGreaterThanOrEqual(0)
    await settled()
    runs[0]?.finish()
    await settled()
    runs[1]?.finish()
    await Promise.all([first, second])
  })

  it('lets a cancelled request leave the queue at once and gives its place to another', async () => {
    const { model, runs } = steppedModel(1)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 1 })
    const first = scheduled.predict(batch(1), never)
    const gone = new AbortController()
    const second = scheduled.predict(batch(2), gone.signal)
    gone.abort()
    await expect(second).rejects.toMatchObject({ code: 'cancelled' })
    const third = scheduled.predict(batch(3), never)
    await settled()
    runs[0]?.finish()
    await settled()
    expect(runs.map((run) => run.batch.parameters?.['id'])).toEqual([1, 3])
    runs[1]?.finish()
    await Promise.all([first, third])
  })

  it('refuses a request whose caller is gone already', async () => {
    const { model, runs } = steppedModel(1)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 1 })
    await expect(scheduled.predict(batch(1), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
    expect(runs).toHaveLength(0)
  })

  it('goes on after a run that fails', async () => {
    const { model, runs } = steppedModel(1)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 5 })
    const first = scheduled.predict(batch(1), never)
    const second = scheduled.predict(batch(2), never)
    await settled()
    runs[0]?.fail(new InferenceError('internal', 'broken'))
    await expect(first).rejects.toMatchObject({ message: 'broken' })
    await settled()
    runs[1]?.finish()
    await expect(second).resolves.toEqual([])
  })

  it('starts what arrives in one turn of the event loop together, in order', async () => {
    const { model, runs } = steppedModel(3)
    const order: string[] = []
    const scheduled = schedule(
      {
        ...model,
        predict: async ({ parameters }) => {
          order.push(`run ${parameters?.['id']}`)
          return []
        },
      },
      { name: 'm', maxQueueSize: 10 },
    )
    const answers = [1, 2, 3].map(async (id) => {
      await scheduled.predict(batch(id), never)
      order.push(`answer ${id}`)
    })
    expect(order).toEqual([])
    await Promise.all(answers)
    expect(order).toEqual(['run 1', 'run 2', 'run 3', 'answer 1', 'answer 2', 'answer 3'])
    expect(runs).toHaveLength(0)
  })

  it('does not run what is cancelled before its turn, and frees its place', async () => {
    const { model, runs } = steppedModel(1)
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 1 })
    const gone = new AbortController()
    const first = scheduled.predict(batch(1), gone.signal)
    const second = scheduled.predict(batch(2), never)
    gone.abort()
    await expect(first).rejects.toMatchObject({ code: 'cancelled' })
    await settled()
    expect(runs.map((run) => run.batch.parameters?.['id'])).toEqual([2])
    runs[0]?.finish()
    await second
  })

  it('rejects where a model throws instead', async () => {
    const { model } = steppedModel(1)
    const thrower = {
      ...model,
      predict: () => {
        throw new InferenceError('internal', 'thrown')
      },
    }
    const scheduled = schedule(thrower, { name: 'm', maxQueueSize: 1 })
    await expect(scheduled.predict(batch(1), never)).rejects.toMatchObject({ message: 'thrown' })
    await expect(scheduled.predict(batch(2), never)).rejects.toMatchObject({ message: 'thrown' })
  })
})
