import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { InferenceRequest, RequestContext } from '../../src/core/inference.ts'
import type { Hooks, Model } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import { DataPlane, type Call, type InferenceObserver } from '../../src/dataplane/dataplane.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'

const double: Model = {
  metadata: {
    platform: 'test',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [-1] },
      { name: 'z', datatype: 'FP32', shape: [-1] },
    ],
  },
  memoryBytes: 0,
  maxBatchSize: 0,
  concurrency: 1,
  predict: async ({ inputs: [x], outputs }) => {
    const data = x?.data instanceof Float32Array ? x.data.map((value) => value * 2) : new Float32Array()
    const all = ['y', 'z'].map((name) => tensor(name, 'FP32', [data.length], data))
    return all.filter(({ name }) => outputs?.includes(name) ?? true)
  },
  close: async () => undefined,
}

async function planeOf(model: Model, hooks: readonly Hooks[] = [], observers: InferenceObserver[] = []) {
  const load = async () => ({ model: schedule(model, { name: 'm', maxQueueSize: 10 }), hooks })
  const repository = new ModelRepository()
  await repository.load({ ref: { name: 'm', version: '1' }, runtime: 'test', load })
  return new DataPlane(repository, observers)
}

const request = (values: readonly number[], more: Partial<InferenceRequest> = {}): InferenceRequest => ({
  model: { name: 'm' },
  inputs: [tensor('x', 'FP32', [values.length], Float32Array.from(values))],
  ...more,
})
const context: RequestContext = {
  requestId: 'r',
  protocol: 'library',
  signal: new AbortController().signal,
  headers: { 'x-user': 'a' },
}

/** Keeps the processor for some milliseconds. */
function spin(milliseconds: number): void {
  const until = performance.now() + milliseconds
  while (performance.now() < until);
}

describe('DataPlane', () => {
  it('tells of a stream once, with the time that the model took and its rows', async () => {
    const calls: Call[] = []
    const words: Model = {
      ...double,
      async *stream({ model: { name } }) {
        for (const value of [1, 2, 3]) {
          spin(1)
          yield { model: { name, version: '1' }, outputs: [tensor('y', 'FP32', [1], Float32Array.of(value))] }
        }
      },
    }
    const plane = await planeOf(words, [], [{ onResponse: (call) => calls.push(call) }])
    let responses = 0
    await plane.stream(request([1, 2]), context, async () => {
      responses += 1
      spin(5)
    })
    expect([responses, calls.length, calls[0]?.rows]).toEqual([3, 1, 2])
    const { predictMs = 0, totalMs = 0 } = calls[0]?.timings ?? {}
    expect(predictMs).toBeGreaterThanOrEqual(3)
    expect(totalMs - predictMs).toBeGreaterThanOrEqual(15)
  })

  it('answers with the id, the version that ran and the outputs asked for', async () => {
    const plane = await planeOf(double)
    const response = await plane.infer(request([1, 2], { id: '7', outputs: ['z'] }), context)
    expect(response).toMatchObject({ id: '7', model: { name: 'm', version: '1' } })
    expect(response.outputs).toEqual([tensor('z', 'FP32', [2], Float32Array.of(2, 4))])
  })

  it('checks what preprocess made, not what the caller sent', async () => {
    const parse: Hooks = {
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
      preprocess: async ({ inputs: [text], ...rest }) => ({
        ...rest,
        inputs: [tensor('x', 'FP32', [1], Float32Array.of(Number(Buffer.from((text?.data as Uint8Array[])[0] ?? []))))],
      }),
    }
    const plane = await planeOf(double, [parse])
    const text = { model: { name: 'm' }, inputs: [tensor('text', 'BYTES', [1], [Buffer.from('21')])] }
    expect((await plane.infer(text, context)).outputs[0]?.data).toEqual(Float32Array.of(42))
    expect(plane.metadata({ name: 'm' }).inputs).toEqual(parse.inputs)
  })

  it('runs preprocess first to last and postprocess last to first, once per request, with the caller’s headers', async () => {
    const steps: string[] = []
    const hook = (name: string): Hooks => ({
      preprocess: async (asked, { headers }) => {
        steps.push(`pre ${name} ${headers['x-user']}`)
        return asked
      },
      postprocess: async (answer) => {
        steps.push(`post ${name}`)
        return answer
      },
    })
    const plane = await planeOf(double, [hook('a'), hook('b')])
    await plane.infer(request([1]), context)
    expect(steps).toEqual(['pre a a', 'pre b a', 'post b', 'post a'])
  })

  it('lets callers ask for outputs that a hook makes, and gives them no others', async () => {
    const sum: Hooks = {
      outputs: [...double.metadata.outputs, { name: 'sum', datatype: 'FP32', shape: [1] }],
      postprocess: async (answer) => ({
        ...answer,
        outputs: [...answer.outputs, tensor('sum', 'FP32', [1], Float32Array.of(6))],
      }),
    }
    const plane = await planeOf(double, [sum])
    const answer = await plane.infer(request([1, 2], { outputs: ['sum'] }), context)
    expect(answer.outputs.map(({ name }) => name)).toEqual(['sum'])
    await expect(plane.infer(request([1], { outputs: ['nope'] }), context)).rejects.toThrow("'nope'")
  })

  it('refuses what does not fit the signature and never runs it', async () => {
    const plane = await planeOf({ ...double, predict: () => Promise.reject(new Error('ran')) })
    await expect(plane.infer({ model: { name: 'm' }, inputs: [] }, context)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: /missing required input\(s\) \['x'\]/,
    })
  })

  it('tells observers of request, response and error, with timings', async () => {
    const seen: string[] = []
    const calls: Call[] = []
    const observer: InferenceObserver = {
      onRequest: (call) => void seen.push(`request ${call.verb}`),
      onResponse: (call) => void (seen.push('response'), calls.push(call)),
      onError: (call, error) => void (seen.push(`error ${error.code}`), calls.push(call)),
    }
    const plane = await planeOf(double, [], [observer])
    await plane.infer(request([1]), context)
    await plane.infer({ ...request([1]), model: { name: 'other' } }, context).catch(() => undefined)
    await plane.explain(request([1]), context).catch(() => undefined)
    expect(seen).toEqual([
      'request infer',
      'response',
      'request infer',
      'error not_found',
      'request explain',
      'error unimplemented',
    ])
    expect(calls[0]?.ref).toEqual({ name: 'm', version: '1' })
    expect(calls[0]?.timings.totalMs).toBeGreaterThanOrEqual(calls[0]?.timings.predictMs ?? Infinity)
    expect(calls[1]?.ref).toBeUndefined()
  })

  it('makes an unknown fault a bare internal error and keeps its cause', async () => {
    const plane = await planeOf({ ...double, predict: () => Promise.reject(new TypeError('secret path')) })
    const error: unknown = await plane.infer(request([1]), context).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InferenceError)
    expect(error).toMatchObject({ code: 'internal', message: 'internal error', cause: { message: 'secret path' } })
  })

  it('lets a model that answers whole requests do so', async () => {
    const whole: Model = {
      ...double,
      infer: async ({ model }) => ({ model: { name: model.name, version: '9' }, outputs: [] }),
    }
    expect((await (await planeOf(whole)).infer(request([1]), context)).model.version).toBe('9')
  })

  it('explains where the model can', async () => {
    const explained: Model = {
      ...double,
      explain: async ({ model }) => ({ model: { ...model, version: '1' }, outputs: [] }),
    }
    const plane = await planeOf(explained)
    await expect(plane.explain(request([1]), context)).resolves.toMatchObject({ outputs: [] })
    expect(plane.metadata({ name: 'm' }).hasExplainer).toBe(true)
  })
})
