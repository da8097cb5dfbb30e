/** Payloads: tensors pass from step to step as they are, and become bytes where somebody asks. */
import { describe, expect, it } from 'vitest'
import type { TensorMetadata } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import type { Tensor } from '../../src/core/tensor.ts'
import { InferenceGraph, Payload } from '../../src/graph/index.ts'
import type { CallService } from '../../src/graph/index.ts'
import { specOf } from './support.ts'

const iris: readonly TensorMetadata[] = [{ name: 'X', datatype: 'FP32', shape: [-1, 2] }]
const target = { model: { name: 'iris' }, inputs: iris }
const answerOf = (...outputs: Tensor[]) => ({ model: { name: 'm', version: '1' }, outputs })
const rows = tensor('Y', 'FP32', [1, 2], new Float32Array([1, 2]))

/** Services in process: each takes tensors, remembers them, and answers its input under the name Y. */
function models(seen: Tensor[], protocol: 'v1' | 'v2'): CallService {
  return async ({ payload }) => {
    const { request, format, outputs } = payload.asTensors(protocol, target)
    const [input] = request.inputs
    if (input === undefined) throw new Error('no input')
    seen.push(input)
    return { status: 200, payload: Payload.ofResponse(answerOf({ ...input, name: 'Y' }), format, outputs) }
  }
}

describe('steps in process', () => {
  const steps = [{ serviceName: 'a' }, { serviceName: 'b', data: '$response' }, { serviceName: 'c', data: '$response' }]

  it('pass the very same array on, without JSON', async () => {
    const seen: Tensor[] = []
    const spec = specOf({ root: { routerType: 'Sequence', steps } }, { mapping: 'auto' })
    const graph = new InferenceGraph(spec, { call: models(seen, 'v2') })
    const request = { model: { name: 'graph' }, inputs: [{ ...rows, name: 'X' }] }
    const { signal } = new AbortController()
    const { payload } = await graph.infer({ payload: Payload.ofRequest(request, 'v2'), headers: {}, signal })
    expect(seen.map(({ name }) => name)).toEqual(['X', 'X', 'X'])
    for (const { data } of seen) expect(data).toBe(rows.data)
    expect(payload.isTensors).toBe(true)
    expect(payload.asText()).toContain('"outputs":[{"name":"Y"')
  })

  it('map predictions to instances without JSON too', async () => {
    const seen: Tensor[] = []
    const mapped = [steps[0], { serviceName: 'b', data: '$response', mapPredictionsToInstances: true }]
    const graph = new InferenceGraph(specOf({ root: { routerType: 'Sequence', steps: mapped } }), {
      call: models(seen, 'v1'),
    })
    const { signal } = new AbortController()
    const { payload } = await graph.infer({ payload: Payload.ofText('{"instances":[[1,2]]}'), headers: {}, signal })
    expect(seen[1]?.data).toBe(seen[0]?.data)
    expect(payload.asText()).toBe('{"predictions":[[1.0,2.0]]}')
  })

  it('test conditions on what the answer would be as JSON', async () => {
    const seen: Tensor[] = []
    const gated = [steps[0], { serviceName: 'b', condition: 'outputs.#(name=="Y").data.#(>5)' }]
    const graph = new InferenceGraph(specOf({ root: { routerType: 'Sequence', steps: gated } }), {
      call: models(seen, 'v2'),
    })
    const request = { model: { name: 'graph' }, inputs: [{ ...rows, name: 'X' }] }
    const { signal } = new AbortController()
    await graph.infer({ payload: Payload.ofRequest(request, 'v2'), headers: {}, signal })
    expect(seen.length).toBe(1)
  })

  it('get an answer without a mapping as the bytes it is: no request', async () => {
    const graph = new InferenceGraph(specOf({ root: { routerType: 'Sequence', steps } }), { call: models([], 'v2') })
    const request = { model: { name: 'graph' }, inputs: [{ ...rows, name: 'X' }] }
    const { signal } = new AbortController()
    const { status, payload } = await graph.infer({ payload: Payload.ofRequest(request, 'v2'), headers: {}, signal })
    expect(status).toBe(500)
    expect(payload.asText()).toContain(`'inputs' is missing`)
  })
})

describe('a mapped payload', () => {
  it('is read anew where the next model takes another datatype', () => {
    const ints = tensor('Y', 'INT64', [1, 2], new BigInt64Array([1n, 2n]))
    const payload = Payload.ofRequest({ model: { name: '' }, inputs: [ints] }, 'v2', true)
    const [input] = payload.asTensors('v2', target).request.inputs
    expect(input).toEqual(tensor('X', 'FP32', [1, 2], new Float32Array([1, 2])))
  })
})

describe('bytes', () => {
  it('with raw tensors behind the JSON keep their header, and conditions see the JSON', () => {
    const half = tensor('Y', 'FP16', [1, 2], new Uint16Array([0x3c00, 0x4000]))
    const sent = Payload.ofResponse(answerOf(half), 'v2')
    expect(sent.headerLength).toBeGreaterThan(0)
    const received = Payload.ofBytes(sent.asBytes(), sent.headerLength)
    expect(received.isJson).toBe(true)
    expect(received.asResponse().outputs[0]?.data).toEqual(half.data)
  })

  it.each([
    ['{"predictions":[1]}', 'v1-row'],
    ['{"outputs":[[1]]}', 'v1-columnar'],
    ['{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1]}]}', 'v2'],
    ['{"a":1}', undefined],
    ['[]', undefined],
    ['null', undefined],
    ['no json', undefined],
  ])('%s is an answer of %s', (text, format) => {
    expect(Payload.ofText(text).responseFormat).toBe(format)
  })
})
