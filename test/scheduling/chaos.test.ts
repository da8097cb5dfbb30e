import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Batch } from '../../src/core/model.ts'
import { allocate, bytesOf, dataTypes, tensor, type FixedDataType, type Tensor } from '../../src/core/tensor.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { batchable, modelOf } from './models.ts'
import { randomOf } from './simulation.ts'

/** Rows that all hold the nonce, as numbers of any datatype or as text. */
function nonceTensor(datatype: Tensor['datatype'], shape: readonly number[], nonce: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  if (datatype === 'BYTES') {
    return tensor(
      'x',
      'BYTES',
      shape,
      Array.from({ length: count }, () => new TextEncoder().encode(String(nonce))),
    )
  }
  const data = allocate(datatype, count)
  const bytes = bytesOf(data)
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = (nonce >> (8 * (index % 2))) & 0xff
  return tensor<FixedDataType>('x', datatype, shape, data)
}

describe('10,000 requests of all kinds', () => {
  it('get exactly their own answers, none hangs, and nothing is left over', async () => {
    const random = randomOf(42)
    const pick = (below: number): number => Math.floor(random() * below)
    let joined = 0
    let waiting = 0
    const model = modelOf(async ({ inputs }, signal) => {
      if ((inputs[0]?.shape[0] ?? 0) > 3) joined += 1
      const turns = pick(3)
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      if (signal.aborted) throw InferenceError.from(signal.reason)
      if (pick(50) === 0) throw new InferenceError('internal', 'a fault now and then')
      return inputs
    }, 3)
    const options = { priorityLevels: 3, batching: 'auto' } as const
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 2000, maxRows: 16, preparation: batchable, options })
    const outcomes = { answered: 0, cancelled: 0, failed: 0, refused: 0 }
    const ask = async (nonce: number): Promise<void> => {
      const caller = new AbortController()
      waiting += 1
      const datatype = dataTypes[pick(dataTypes.length)] ?? 'FP32'
      const input = nonceTensor(datatype, [1 + pick(3), 1 + pick(2)], nonce)
      const batch: Batch = { inputs: [input], ...(pick(4) === 0 ? { outputs: ['x'] } : {}) }
      const fate = pick(10)
      if (fate === 0) caller.abort()
      if (fate === 1) setImmediate(() => caller.abort())
      if (fate === 2) setTimeout(() => caller.abort(), pick(5))
      try {
        const outputs = await scheduled.predict(batch, caller.signal, { priority: pick(4) })
        expect(outputs).toEqual([input])
        outcomes.answered += 1
      } catch (reason) {
        if (!(reason instanceof InferenceError)) throw reason
        if (reason.code === 'cancelled') outcomes.cancelled += 1
        else if (reason.code === 'internal') outcomes.failed += 1
        else outcomes.refused += 1
      } finally {
        waiting -= 1
      }
    }
    const asked: Promise<void>[] = []
    for (let nonce = 0; nonce < 10_000; nonce += 1) {
      asked.push(ask(nonce))
      while (pick(40) === 0 || waiting > 500) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(asked)
    expect(outcomes.answered + outcomes.cancelled + outcomes.failed + outcomes.refused).toBe(10_000)
    expect(outcomes.answered).toBeGreaterThan(5000)
    expect(outcomes.cancelled).toBeGreaterThan(500)
    expect(joined).toBeGreaterThan(100)
    const left = { waitingRequests: 0, waitingRows: 0, runningBatches: 0, isBatching: true }
    expect(scheduled.scheduling()).toMatchObject(left)
  })
})
