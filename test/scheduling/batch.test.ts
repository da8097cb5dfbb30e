import { describe, expect, it } from 'vitest'
import { allocate, dataTypes, elementsOf, tensor, type FixedDataType, type Tensor } from '../../src/core/tensor.ts'
import { join, split } from '../../src/scheduling/batch.ts'

const text = (...words: readonly string[]): Uint8Array[] => words.map((word) => new TextEncoder().encode(word))

/** `[rows, 3]`, every element another. */
function tensorOf(datatype: Tensor['datatype'], rows: number, start: number): Tensor {
  const shape = [rows, 3]
  const numbers = Array.from({ length: rows * 3 }, (_, index) => start + index)
  if (datatype === 'BYTES') return tensor('x', 'BYTES', shape, text(...numbers.map(String)))
  const width = allocate(datatype, 1).BYTES_PER_ELEMENT
  const bytes = new Uint8Array(rows * 3 * width)
  for (const [index, number] of numbers.entries()) bytes[index * width] = number
  return tensor<FixedDataType>('x', datatype, shape, elementsOf(datatype, bytes))
}

describe('join and split', () => {
  it.each(dataTypes)('gives everyone their own rows of %s', (datatype) => {
    const parts = [tensorOf(datatype, 1, 0), tensorOf(datatype, 3, 20), tensorOf(datatype, 2, 60)]
    const joined = join(
      parts.map((input) => ({ inputs: [input] })),
      6,
    )
    expect(joined.inputs[0]).toMatchObject({ name: 'x', datatype, shape: [6, 3] })
    const back = split(joined.inputs, [1, 3, 2])
    expect(back.map(([output]) => output)).toEqual(parts)
  })

  it('keeps outputs wanted and parameters, and joins each input of several', () => {
    const batch = (value: number) => ({
      inputs: [
        tensor('a', 'FP32', [1], Float32Array.of(value)),
        tensor('b', 'INT64', [1], BigInt64Array.of(BigInt(value))),
      ],
      outputs: ['y'],
      parameters: { mode: 1 },
    })
    expect(join([batch(1), batch(2)], 2)).toEqual({
      inputs: [tensor('a', 'FP32', [2], Float32Array.of(1, 2)), tensor('b', 'INT64', [2], BigInt64Array.of(1n, 2n))],
      outputs: ['y'],
      parameters: { mode: 1 },
    })
  })

  it('splits by views, without copying', () => {
    const output = tensor('y', 'FP32', [4, 2], new Float32Array(8))
    for (const [part] of split([output], [1, 3])) {
      expect(part?.data instanceof Float32Array && part.data.buffer).toBe(output.data.buffer)
    }
  })

  it('refuses outputs that have not the rows of the inputs', () => {
    const wrong = [tensor('y', 'FP32', [1, 2], new Float32Array(2))]
    expect(() => split(wrong, [1, 1])).toThrow(/output 'y' of a run of 2 rows has the shape \[1,2\]/)
    expect(() => split([tensor('y', 'FP32', [], new Float32Array(1))], [1, 1])).toThrow(/shape \[\]/)
  })

  it('answers everyone of a model without outputs', () => {
    expect(split([], [1, 2])).toEqual([[], []])
  })

  it('refuses to join elements that do not fill the shape', () => {
    const short = { inputs: [tensor('x', 'FP32', [1, 3], new Float32Array(2))] }
    const long = { inputs: [tensor('x', 'FP32', [1, 3], new Float32Array(3))] }
    expect(() => join([long, short], 2)).toThrow(/5 elements joined, not 6/)
    expect(() => join([long, { inputs: [tensor('x', 'INT32', [1, 3], new Int32Array(3))] }], 2)).toThrow(/not the FP32/)
  })

  it('merging 128 × 10,000 floats does not block the event loop', () => {
    const batches = Array.from({ length: 128 }, () => ({
      inputs: [tensor('x', 'FP32', [1, 10_000], new Float32Array(10_000))],
    }))
    let bestMs = Infinity
    for (let round = 0; round < 200 && bestMs >= 5; round += 1) {
      const started = performance.now()
      join(batches, 128)
      bestMs = Math.min(bestMs, performance.now() - started)
    }
    expect(bestMs).toBeLessThan(5) // 0.5 ms where nothing else runs
  })
})
