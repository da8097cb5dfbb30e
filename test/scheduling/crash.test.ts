/** Requests that share a run which takes its process along. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { tensor } from '../../src/core/tensor.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { fakeModel } from '../repository/fake-models.ts'

describe('a shared run that crashes', () => {
  it('fails for all, and is not tried again in parts', async () => {
    let runs = 0
    const model = fakeModel('a', {
      predict: async () => {
        runs += 1
        throw new InferenceError('internal', 'the process ended while it ran this request', { isFatal: true })
      },
    })
    const scheduled = schedule(model, { name: 'a', maxQueueSize: 100, options: { batching: 'on' } })
    const { signal } = new AbortController()
    const one = { inputs: [tensor('x', 'FP32', [1], Float32Array.of(1))] }
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => scheduled.predict(one, signal)))
    const expected: unknown = expect.objectContaining({ code: 'internal', isFatal: true })
    expect(results).toEqual(results.map(() => ({ status: 'rejected', reason: expected })))
    expect(scheduled.scheduling().isolations).toBe(0)
    expect(runs).toBeLessThan(8)
  })
})
