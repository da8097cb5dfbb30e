import { describe, expect, it } from 'vitest'
import { fromBf16, fromFp16, toBf16, toFp16 } from '../../src/client/half.ts'
import { tensorOf, valuesOf } from '../../src/client/index.ts'
import { fitShape } from '../../src/client/shape.ts'
import { inputTensor } from '../../src/client/tensor-of.ts'

describe('tensorOf', () => {
  it('takes datatype and shape from the values', () => {
    expect(tensorOf('x', [[1, 2.5]])).toEqual({
      name: 'x',
      datatype: 'FP32',
      shape: [1, 2],
      data: Float32Array.of(1, 2.5),
    })
    expect(tensorOf('x', [1n])).toMatchObject({ datatype: 'INT64', data: BigInt64Array.of(1n) })
    expect(tensorOf('x', [true, false])).toMatchObject({ datatype: 'BOOL', data: Uint8Array.of(1, 0) })
    expect(tensorOf('x', 'ä')).toMatchObject({ datatype: 'BYTES', shape: [], data: [Uint8Array.of(0xc3, 0xa4)] })
    expect(tensorOf('x', new Int8Array(3))).toMatchObject({ datatype: 'INT8', shape: [3] })
  })

  it('keeps a typed array that fits as it is, and converts one that does not', () => {
    const bits = Uint16Array.of(0x3c00)
    expect(tensorOf('x', bits, { datatype: 'FP16' }).data).toBe(bits)
    expect(tensorOf('x', Float64Array.of(0.1), { datatype: 'FP32' }).data).toEqual(Float32Array.of(0.1))
    expect(tensorOf('x', Uint8Array.of(1, 2), { datatype: 'BYTES' })).toMatchObject({
      shape: [1],
      data: [Uint8Array.of(1, 2)],
    })
  })

  it('completes one free dimension', () => {
    expect(tensorOf('x', [1, 2, 3, 4, 5, 6], { shape: [-1, 2] }).shape).toEqual([3, 2])
  })

  it.each([
    [[1, 300], 'UINT8', 'element 1 is 300, which is no UINT8'],
    [[1.5], 'INT32', 'element 0 is 1.5, which is no INT32'],
    [[2n ** 63n], 'INT64', 'element 0 is 9223372036854775808, which is no INT64'],
    [['a'], 'FP32', "element 0 is 'a', which is no FP32"],
    [[1], 'BYTES', 'element 0 is 1, which is no BYTES'],
    [[2], 'BOOL', 'element 0 is 2, which is no BOOL'],
  ] as const)('refuses %s as %s', (values, datatype, text) => {
    expect(() => tensorOf('x', values, { datatype })).toThrow(`input 'x': ${text}`)
  })

  it('refuses ragged rows and shapes of another size', () => {
    expect(() => tensorOf('x', [[1, 2], [3]])).toThrow('all rows need one length, got rows of 2 and of 1 elements')
    expect(() => tensorOf('x', [[1], 2])).toThrow('rows and single values are mixed')
    expect(() => tensorOf('x', [1, 2, 3], { shape: [2, 2] })).toThrow('shape [2,2] does not hold 3 elements')
  })

  it('keeps the shape of empty values', () => {
    expect(tensorOf('x', []).shape).toEqual([0])
    expect(tensorOf('x', [[], []]).shape).toEqual([2, 0])
  })
})

describe('inputTensor', () => {
  it('converts to the datatype of the model', () => {
    const described = { name: 'x', datatype: 'INT64', shape: [-1] } as const
    expect(inputTensor('x', [1, 2], described)).toMatchObject({ shape: [2], data: BigInt64Array.of(1n, 2n) })
  })

  it('sends a text as a list of one', () => {
    expect(inputTensor('x', 'hello', undefined)).toMatchObject({ shape: [1] })
    expect(inputTensor('x', 'hello', { name: 'x', datatype: 'BYTES', shape: [-1, 1] })).toMatchObject({ shape: [1, 1] })
    expect(inputTensor('x', 5, { name: 'x', datatype: 'FP32', shape: [] })).toMatchObject({ shape: [] })
  })

  it('leaves a shape that does not fit to the server', () => {
    const described = { name: 'x', datatype: 'FP32', shape: [-1] } as const
    expect(inputTensor('x', [[1, 2]], described)).toMatchObject({ shape: [1, 2] })
  })
})

describe('fitShape', () => {
  it.each([
    [[4], [-1, 4], [1, 4]],
    [[8], [-1, 4], [2, 4]],
    [[7], [-1, 4], undefined],
    [[5], [-1], [5]],
    [[5], [-1, -1], [1, 5]],
    [[5], [-1, -1, -1], undefined],
    [[64], [-1, 1, 8, 8], [1, 1, 8, 8]],
    [
      [8, 8],
      [-1, 1, 8, 8],
      [1, 1, 8, 8],
    ],
    [
      [2, 4],
      [-1, 4],
      [2, 4],
    ],
    [[2, 3], [-1, 4], undefined],
    [[], [-1, 1], [1, 1]],
    [[1], [], []],
    [[2], [], undefined],
    [[0], [-1, 4], [0, 4]],
    [[16], [4, 4], [4, 4]],
  ])('makes %j under %j %j', (actual, pattern, expected) => {
    expect(fitShape(actual, pattern)).toEqual(expected)
  })
})

describe('half precision', () => {
  it('round-trips every FP16', () => {
    for (let bits = 0; bits < 0x10000; bits += 1) {
      const value = fromFp16(bits)
      if (!Number.isNaN(value)) expect(toFp16(value)).toBe(bits)
    }
  })

  it('rounds to the nearest, ties to even', () => {
    expect(toFp16(65_520)).toBe(0x7c00)
    expect(toFp16(65_519)).toBe(0x7bff)
    expect(toFp16(2 ** -25)).toBe(0)
    expect(toFp16(1.5 * 2 ** -25)).toBe(1)
    expect(toFp16(1 + 2 ** -11)).toBe(0x3c00)
    expect(toFp16(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(fromFp16(toFp16(NaN))).toBeNaN()
  })

  it('makes BF16 of float32 by rounding', () => {
    expect(toBf16(2.5)).toBe(0x4020)
    expect(toBf16(1 + 2 ** -8)).toBe(0x3f80)
    expect(toBf16(1 + 3 * 2 ** -8)).toBe(0x3f82)
    expect(fromBf16(toBf16(-Infinity))).toBe(-Infinity)
    expect(fromBf16(toBf16(NaN))).toBeNaN()
  })
})

describe('valuesOf', () => {
  it('gives plain values of every datatype', () => {
    expect(valuesOf(tensorOf('x', [1, 0.5], { datatype: 'FP16' }))).toEqual([1, 0.5])
    expect(valuesOf(tensorOf('x', [1, 0.5], { datatype: 'BF16' }))).toEqual([1, 0.5])
    expect(valuesOf(tensorOf('x', [true]))).toEqual([true])
    expect(valuesOf(tensorOf('x', ['ä']))).toEqual(['ä'])
    expect(valuesOf(tensorOf('x', [2n ** 60n]))).toEqual([2n ** 60n])
  })
})
