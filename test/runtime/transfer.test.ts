import { describe, expect, it } from 'vitest'
import { pack, totalBytes, transferList, unpack } from '../../src/runtime/transfer.ts'
import { tensor } from '../../src/runtime/index.ts'

const large = () => tensor('L', 'FP32', [10_000], new Float32Array(10_000).fill(1))
const odd = tensor('O', 'UINT8', [3], Uint8Array.of(1, 2, 3))
const wide = tensor('W', 'FP64', [2], Float64Array.of(1, 2))

describe('packing tensors', () => {
  it('aligns every tensor in one buffer', () => {
    const packed = pack([odd, wide, odd, wide])
    expect(packed.buffers).toHaveLength(1)
    expect(unpack(packed)).toEqual([odd, wide, odd, wide])
  })

  it('copies by default, so that nothing of the sender is transferred', () => {
    const sent = large()
    const packed = pack([sent])
    expect(packed.buffers[0]).not.toBe(sent.data.buffer)
    expect(unpack(packed)).toEqual([sent])
  })

  it('moves what owns a large buffer, once', () => {
    const sent = large()
    const packed = pack([sent, odd, sent], { move: true })
    expect(packed.buffers).toHaveLength(2)
    expect(packed.buffers[1]).toBe(sent.data.buffer)
    expect(unpack(packed)).toEqual([sent, odd, sent])
  })

  it('never moves views, pooled Buffers or shared memory', () => {
    const view = tensor('V', 'FP32', [5000], new Float32Array(10_000).subarray(5000))
    const pooled = tensor('P', 'UINT8', [100], Buffer.from('x'.repeat(100)))
    const shared = tensor('S', 'FP32', [5000], new Float32Array(new SharedArrayBuffer(20_000)))
    expect(pack([view, pooled, shared], { move: true }).buffers).toHaveLength(1)
  })

  it('transfers large buffers and lets small ones be cloned', () => {
    expect(transferList(pack([odd]))).toEqual([])
    expect(transferList(pack([large()]))).toHaveLength(1)
  })

  it('keeps parameters and empty tensors', () => {
    const empty = { ...tensor('E', 'INT64', [0, 3], new BigInt64Array(0)), parameters: { a: 1, b: 'x', c: true } }
    expect(unpack(pack([empty]))).toEqual([empty])
    expect(unpack(pack([]))).toEqual([])
  })

  it('counts bytes, length prefixes of texts included', () => {
    expect(totalBytes([odd, wide, tensor('B', 'BYTES', [1], [Buffer.from('abc')])])).toBe(3 + 16 + 7)
  })
})
