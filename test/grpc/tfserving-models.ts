/** Models for the tests of TF Serving's services, beside those of `models.ts`. */
import type { Model } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'

const floats = { datatype: 'FP32', shape: [-1, 1] } as const

/** y = x / 2 + 2, as TF Serving's own tests have it. */
export const halfPlusTwo = defineModel({
  version: '123',
  inputs: { x: floats },
  outputs: { y: floats },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2 + 2) }),
})

/** Scores and labels of three classes for each row of two numbers. */
export const classifier = defineModel({
  inputs: { a: { datatype: 'FP32', shape: [-1, 2] }, weight: { datatype: 'INT64', shape: [-1] } },
  outputs: {
    id: { datatype: 'INT64', shape: [-1] },
    scores: { datatype: 'FP32', shape: [-1, 3] },
    names: { datatype: 'BYTES', shape: [-1, 3] },
  },
  predict: ({ a, weight }) => {
    const rows = [...weight.data]
    const of = (row: number, column: number): number => a.data[row * 2 + column] ?? 0
    return {
      id: weight.data,
      scores: {
        shape: [rows.length, 3],
        data: Float32Array.from(rows.flatMap((by, row) => [of(row, 0), of(row, 1), Number(by)])),
      },
      names: {
        shape: [rows.length, 3],
        data: rows.flatMap(() => ['first', 'second', 'third'].map((name) => Buffer.from(name))),
      },
    }
  },
})

/** Text in, integers out: nothing that could be scores. */
export const textLength: Model = {
  metadata: {
    platform: 'test',
    inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
    outputs: [{ name: 'length', datatype: 'INT32', shape: [-1] }],
  },
  memoryBytes: 0,
  maxBatchSize: 0,
  concurrency: 1,
  predict: async ({ inputs: [text] }) => {
    if (text?.datatype !== 'BYTES') throw new Error('the data plane has checked')
    return [
      tensor(
        'length',
        'INT32',
        text.shape,
        Int32Array.from(text.data, (value) => value.length),
      ),
    ]
  },
  close: async () => undefined,
}
