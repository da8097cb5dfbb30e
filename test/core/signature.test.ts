import { describe, expect, it } from 'vitest'
import type { InferenceRequest } from '../../src/core/inference.ts'
import type { TensorMetadata } from '../../src/core/model.ts'
import { checkRequest } from '../../src/core/signature.ts'
import { allocate, elementCount, tensor, type DataType, type FixedDataType } from '../../src/core/tensor.ts'

const input = (name: string, datatype: FixedDataType, shape: readonly number[]) =>
  tensor<DataType>(name, datatype, shape, allocate(datatype, elementCount(shape)))
const request = (inputs: InferenceRequest['inputs'], outputs?: readonly string[]): InferenceRequest => ({
  model: { name: 'simple' },
  inputs,
  ...(outputs === undefined ? {} : { outputs }),
})
const metadata = (name: string, shape: readonly number[], more: Partial<TensorMetadata> = {}): TensorMetadata => ({
  name,
  datatype: 'INT32',
  shape,
  ...more,
})
const simple = {
  inputs: [metadata('INPUT0', [-1, 16]), metadata('INPUT1', [-1, 16])],
  outputs: [metadata('OUTPUT0', [-1, 16]), metadata('OUTPUT1', [-1, 16])],
}
const pair = (first: readonly number[], second: readonly number[]) => [
  input('INPUT0', 'INT32', first),
  input('INPUT1', 'INT32', second),
]

describe('checkRequest', () => {
  it('gives back the very request where nothing is to be changed', () => {
    const good = request(pair([2, 16], [2, 16]), ['OUTPUT1'])
    expect(checkRequest(good, simple)).toBe(good)
  })

  it('names what is missing and what was got', () => {
    expect(() => checkRequest(request([input('INPUT0', 'INT32', [1, 16])]), simple)).toThrow(
      "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], but missing required input(s) ['INPUT1']. Please provide all required input(s).",
    )
  })

  it('refuses an unknown input, a repeated one and an unknown output by name', () => {
    const inputs = pair([1, 16], [1, 16])
    expect(() => checkRequest(request([...inputs, input('ZZZ', 'INT32', [1])]), simple)).toThrow("'ZZZ'")
    expect(() => checkRequest(request([...inputs, input('INPUT0', 'INT32', [1, 16])]), simple)).toThrow(
      "input 'INPUT0' already exists in request",
    )
    expect(() => checkRequest(request(inputs, ['nope']), simple)).toThrow(
      "unexpected inference output 'nope' for model 'simple'",
    )
  })

  it('refuses another datatype, rank or fixed dimension', () => {
    expect(() => checkRequest(request([input('INPUT0', 'FP32', [1, 16])]), simple)).toThrow(
      "inference input 'INPUT0' data-type is 'FP32', but model 'simple' expects 'INT32'",
    )
    expect(() => checkRequest(request(pair([1, 17], [1, 16])), simple)).toThrow(
      "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,17].",
    )
    expect(() => checkRequest(request(pair([16], [1, 16])), simple)).toThrow('Expected [-1,16], got [16].')
  })

  it('wants one batch size of all inputs', () => {
    expect(() => checkRequest(request(pair([1, 16], [2, 16])), simple)).toThrow(
      'batch size does not match other inputs',
    )
  })

  it('wants free dimensions of one name to agree and lets others differ', () => {
    const product = {
      inputs: [
        metadata('A', [-1, -1], { dimensionNames: ['M', 'K'] }),
        metadata('B', [-1, -1], { dimensionNames: ['K', 'N'] }),
      ],
      outputs: [],
    }
    const multiply = (a: readonly number[], b: readonly number[]) =>
      checkRequest(request([input('A', 'INT32', a), input('B', 'INT32', b)]), product)
    expect(() => multiply([2, 3], [3, 5])).not.toThrow()
    expect(() => multiply([2, 3], [4, 5])).toThrow("input 'B'")
  })

  it('makes [1] a scalar where the model takes one', () => {
    const scalar = { inputs: [metadata('x', [])], outputs: [] }
    expect(checkRequest(request([input('x', 'INT32', [1])]), scalar).inputs[0]?.shape).toEqual([])
    expect(checkRequest(request([input('x', 'INT32', [])]), scalar).inputs[0]?.shape).toEqual([])
    expect(() => checkRequest(request([input('x', 'INT32', [2])]), scalar)).toThrow('Expected [], got [2].')
  })

  it('takes any rank where the model file gives none, and leaves optional inputs out', () => {
    const open = {
      inputs: [metadata('x', [-1], { isAnyRank: true }), metadata('y', [2], { isOptional: true })],
      outputs: [],
    }
    expect(() => checkRequest(request([input('x', 'INT32', [2, 3, 4])]), open)).not.toThrow()
    expect(() => checkRequest(request([]), open)).toThrow("missing required input(s) ['x']")
  })

  it('refuses more rows than the model takes', () => {
    expect(() => checkRequest(request(pair([9, 16], [9, 16])), simple, 8)).toThrow(
      "inference request batch-size must be <= 8 for 'simple', got 9",
    )
  })
})
