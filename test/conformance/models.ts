/** The models that the cases ask. */
import { join } from 'node:path'
import { InferenceError } from '../../src/core/errors.ts'
import { dataTypes, type DataType } from '../../src/core/tensor.ts'
import { defineModel, type DefinedModel } from '../../src/runtime/define-model.ts'
import { fixtures } from '../paths.ts'

function identity(datatype: DataType): DefinedModel {
  return defineModel({
    inputs: { IN: { datatype, shape: [-1, -1] } },
    outputs: { OUT: { datatype, shape: [-1, -1] } },
    predict: ({ IN }) => ({ OUT: IN }),
  })
}

const vector = { datatype: 'FP32', shape: [-1] } as const

/** A model of one input and one output that does `work`. */
function scalar(work: (x: number) => number, rest: { readonly version?: string; load?(): void } = {}): DefinedModel {
  return defineModel({
    ...rest,
    inputs: { x: vector },
    outputs: { y: vector },
    predict: ({ x }) => ({ y: x.data.map(work) }),
  })
}

/** By name; `simple` is a file, the others are written here. */
export const models: Readonly<Record<string, string | DefinedModel>> = {
  simple: join(fixtures, 'models', 'add-sub'),
  ...Object.fromEntries(dataTypes.map((datatype) => [`identity_${datatype.toLowerCase()}`, identity(datatype)])),
  versioned: scalar((x) => x / 2 + 2, { version: '123' }),
  optional: defineModel({
    inputs: { a: vector, b: { ...vector, isOptional: true } },
    outputs: { sum: vector },
    predict: ({ a, b }) => ({ sum: a.data.map((value, index) => value + (b?.data[index] ?? 10)) }),
  }),
  parameters: defineModel({
    inputs: { x: vector },
    outputs: { seen: { datatype: 'BYTES', shape: [1] } },
    predict: (_, { parameters }) => ({ seen: [Buffer.from(JSON.stringify(sorted(parameters)))] }),
  }),
  faulty: scalar(() => {
    throw new RangeError('the secret of the model')
  }),
  refusing: scalar(() => {
    throw new InferenceError('resource_exhausted', 'no more today')
  }),
  unloadable: scalar((x) => x, {
    load: () => {
      throw new InferenceError('failed_precondition', 'the file is torn')
    },
  }),
}

/** What the cases set, in the order of their names; numbers as numbers whatever the wire made of them. */
function sorted(parameters: Readonly<Record<string, unknown>>): object {
  const names = ['flag', 'fraction', 'text', 'whole']
  return Object.fromEntries(
    names.map((name) => [name, typeof parameters[name] === 'bigint' ? Number(parameters[name]) : parameters[name]]),
  )
}
