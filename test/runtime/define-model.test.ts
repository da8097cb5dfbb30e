import { describe, expect, it } from 'vitest'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'

const signal = new AbortController().signal
const x = tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))

describe('defineModel', () => {
  it('gives predict its inputs by name and completes the one free dimension of an output', async () => {
    const definition = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1, 2] } },
      outputs: { sum: { datatype: 'FP32', shape: [-1] }, rows: { datatype: 'INT32', shape: [] } },
      predict: ({ x }) => ({
        sum: Float32Array.from(
          { length: x.shape[0] ?? 0 },
          (_, row) => (x.data[row * 2] ?? 0) + (x.data[row * 2 + 1] ?? 0),
        ),
        rows: { shape: [], data: Int32Array.of(x.shape[0] ?? 0) },
      }),
    })
    const model = await definition.open(signal)
    expect(await model.predict({ inputs: [x] }, signal)).toEqual([
      { name: 'sum', datatype: 'FP32', shape: [2], data: Float32Array.of(3, 7) },
      { name: 'rows', datatype: 'INT32', shape: [], data: Int32Array.of(2) },
    ])
    expect(await model.predict({ inputs: [x], outputs: ['rows'] }, signal)).toHaveLength(1)
    expect(model.metadata).toMatchObject({ platform: 'servable_custom', inputs: [{ name: 'x', shape: [-1, 2] }] })
  })

  it('loads before the first request, closes after the last, and passes parameters', async () => {
    const events: string[] = []
    const definition = defineModel({
      inputs: {},
      outputs: { y: { datatype: 'INT64', shape: [1] } },
      load: () => void events.push('load'),
      predict: (_, { parameters }) => ({ y: BigInt64Array.of(BigInt(parameters['n'] ?? 0)) }),
      close: () => void events.push('close'),
    })
    const model = await definition.open(signal)
    const [y] = await model.predict({ inputs: [], parameters: { n: 7 } }, signal)
    expect(y?.data).toEqual(BigInt64Array.of(7n))
    await model.close()
    expect(events).toEqual(['load', 'close'])
  })

  it('says which output is wrong', async () => {
    const broken = (y: { shape: number[]; data: Float32Array }) =>
      defineModel({
        inputs: {},
        outputs: { y: { datatype: 'FP32', shape: [-1, -1] } },
        predict: () => ({ y: y.shape.length === 0 ? y.data : y }),
      })
    const run = async (y: { shape: number[]; data: Float32Array }) =>
      (await broken(y).open(signal)).predict({ inputs: [] }, signal)
    await expect(run({ shape: [2, 2], data: new Float32Array(3) })).rejects.toThrow(
      "predict gave output 'y' 3 elements, its shape [2,2] needs 4",
    )
    await expect(run({ shape: [], data: new Float32Array(3) })).rejects.toThrow('as { shape, data }')
  })
})
