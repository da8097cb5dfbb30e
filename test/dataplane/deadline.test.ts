/** Deadlines from contexts and parameters: the earliest counts, and nobody waits longer. */
import { describe, expect, it } from 'vitest'
import type { InferenceRequest, RequestContext } from '../../src/core/inference.ts'
import type { Batch, Model } from '../../src/core/model.ts'
import type { SchedulingOptions } from '../../src/core/scheduling.ts'
import { tensor, type Parameters, type Tensor } from '../../src/core/tensor.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'

const x = tensor('x', 'FP32', [1, 1], Float32Array.of(1))
const signature = [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }] as const

/** A model whose runs end when the test says so, whatever their signal does. */
function stubborn() {
  const batches: Batch[] = []
  const finishes: (() => void)[] = []
  const model: Model = {
    metadata: { platform: 'test', inputs: signature, outputs: signature },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 1,
    predict: (batch) =>
      new Promise<readonly Tensor[]>((resolve) => {
        batches.push(batch)
        finishes.push(() => resolve(batch.inputs))
      }),
    close: async () => undefined,
  }
  return { model, batches, finish: () => finishes.shift()?.() }
}

async function planeOf(model: Model, options: SchedulingOptions = {}) {
  const repository = new ModelRepository()
  const scheduled = schedule(model, { name: 'm', maxQueueSize: 10, options })
  const ref = { name: 'm', version: '1' }
  await repository.load({
    ref,
    runtime: 'test',
    load: async () => ({ model: scheduled, hooks: [], scheduling: options }),
  })
  return { plane: new DataPlane(repository), repository, scheduled }
}

const request = (parameters: Parameters = {}): InferenceRequest => ({ model: { name: 'm' }, inputs: [x], parameters })

function contextOf(more: Partial<RequestContext> = {}): RequestContext {
  return { requestId: 'r', protocol: 'library', signal: new AbortController().signal, headers: {}, ...more }
}

describe('the parameter timeout', () => {
  it('ends the wait of a caller whose run does not listen, and keeps the lease until it ends', async () => {
    const { model, finish } = stubborn()
    const { plane, repository } = await planeOf(model)
    await expect(plane.infer(request({ timeout: 20_000 }), contextOf())).rejects.toMatchObject({
      code: 'deadline_exceeded',
    })
    let isClosed = false
    const closed = repository.close().then(() => (isClosed = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    finish()
    await closed
  })

  it('ends the wait in the queue, where the place is free at once', async () => {
    const { model, finish } = stubborn()
    const { plane, scheduled } = await planeOf(model)
    const running = plane.infer(request(), contextOf())
    const waiting = plane.infer(request({ timeout: 20_000 }), contextOf())
    await expect(waiting).rejects.toMatchObject({ code: 'deadline_exceeded' })
    expect(scheduled.scheduling().waitingRequests).toBe(0)
    finish()
    await running
  })

  it('is none where it is 0, and does not outlast an earlier deadline of the context', async () => {
    const { model, finish } = stubborn()
    const { plane } = await planeOf(model)
    const unlimited = plane.infer(request({ timeout: 0 }), contextOf())
    const controller = new AbortController()
    const context = contextOf({ signal: controller.signal, deadline: performance.now() + 1000 })
    const limited = plane.infer(request({ timeout: 60e6 }), context)
    controller.abort(new DOMException('late', 'TimeoutError'))
    await expect(limited).rejects.toMatchObject({ code: 'deadline_exceeded' })
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    await unlimited
  })

  it('B42: limits the wait in the queue where the model has a queue policy, in Triton’s words', async () => {
    const { model, finish } = stubborn()
    const queuePolicy = { timeoutAction: 'reject', defaultTimeoutMs: 60_000, allowTimeoutOverride: true } as const
    const { plane } = await planeOf(model, { queuePolicy })
    const running = plane.infer(request({ timeout: 20_000 }), contextOf())
    const waiting = plane.infer(request({ timeout: 20_000 }), contextOf())
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable', message: /Request timeout expired/ })
    finish()
    await running
  })
})

describe('the context', () => {
  it('refuses what came too late', async () => {
    const { model, batches } = stubborn()
    const { plane } = await planeOf(model)
    const late = plane.infer(request(), contextOf({ deadline: performance.now() - 1 }))
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' })
    expect(batches).toEqual([])
  })

  it('passes the reason of its signal on to a request that waits with a time limit of its own', async () => {
    const { model, finish } = stubborn()
    const { plane } = await planeOf(model)
    const running = plane.infer(request(), contextOf())
    const controller = new AbortController()
    const waiting = plane.infer(request({ timeout: 60e6 }), contextOf({ signal: controller.signal }))
    controller.abort(new DOMException('gone', 'AbortError'))
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    await running
  })
})

describe('priority', () => {
  it('lets a request overtake, and neither it nor the timeout reaches the model', async () => {
    const { model, batches, finish } = stubborn()
    const { plane } = await planeOf(model, { priorityLevels: 2, defaultPriority: 2 })
    const answers = [
      plane.infer(request({ name: 'running' }), contextOf()),
      plane.infer(request({ name: 'usual' }), contextOf()),
      plane.infer(request({ name: 'first', priority: 1, timeout: 60e6 }), contextOf()),
    ]
    for (let run = 0; run < 3; run += 1) {
      while (batches.length <= run) await new Promise((resolve) => setImmediate(resolve))
      finish()
    }
    await Promise.all(answers)
    expect(batches.map(({ parameters }) => parameters)).toEqual(
      [{ name: 'first' }, { name: 'running' }, { name: 'usual' }].toSorted(
        (left, right) => order.indexOf(left.name) - order.indexOf(right.name),
      ),
    )
  })
})

/** All three came in one turn of the event loop. */
const order = ['first', 'running', 'usual']
