import { describe, expect, it } from 'vitest'
import { decodeNpy } from '../../src/cli/npy.ts'
import { bytesOf } from '../../src/core/tensor.ts'
import { npy } from './npy-bytes.ts'

const text = (element: unknown) => Buffer.from(element as Uint8Array).toString('utf8')

describe('decodeNpy', () => {
  it.each([
    ['|b1', 'BOOL', Uint8Array.of(1, 0)],
    ['|u1', 'UINT8', Uint8Array.of(1, 255)],
    ['<u2', 'UINT16', Uint16Array.of(1, 65_535)],
    ['<u4', 'UINT32', Uint32Array.of(1, 2)],
    ['<u8', 'UINT64', BigUint64Array.of(1n, 2n ** 64n - 1n)],
    ['|i1', 'INT8', Int8Array.of(-1, 2)],
    ['<i2', 'INT16', Int16Array.of(-1, 2)],
    ['<i4', 'INT32', Int32Array.of(-1, 2)],
    ['<i8', 'INT64', BigInt64Array.of(-1n, 2n ** 60n)],
    ['<f2', 'FP16', Uint16Array.of(0x3c00, 0xc000)],
    ['<f4', 'FP32', Float32Array.of(0.1, NaN)],
    ['<f8', 'FP64', Float64Array.of(0.1, Infinity)],
  ])('reads %s as %s', (descr, datatype, data) => {
    for (const version of [1, 2, 3] as const) {
      const array = decodeNpy(npy({ descr, shape: [2], version }, bytesOf(data)), 'a.npy')
      expect(array).toEqual({ datatype, shape: [2], data })
    }
  })

  it('reads big-endian numbers', () => {
    expect(
      decodeNpy(npy({ descr: '>i4', shape: [2] }, Uint8Array.of(0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff)), 'a'),
    ).toEqual({
      datatype: 'INT32',
      shape: [2],
      data: Int32Array.of(256, -1),
    })
  })

  it('turns Fortran order into rows', () => {
    const data = bytesOf(Int32Array.of(1, 4, 2, 5, 3, 6))
    const array = decodeNpy(npy({ descr: '<i4', shape: [2, 3], isFortranOrder: true }, data), 'a')
    expect(array).toMatchObject({ shape: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) })
  })

  it('turns Fortran order of three dimensions into rows', () => {
    const shape = [2, 3, 4]
    const fortran = new Int32Array(24)
    for (let i = 0; i < 2; i += 1) {
      for (let j = 0; j < 3; j += 1) for (let k = 0; k < 4; k += 1) fortran[i + 2 * j + 6 * k] = 12 * i + 4 * j + k
    }
    const { data } = decodeNpy(npy({ descr: '<i4', shape, isFortranOrder: true }, bytesOf(fortran)), 'a')
    expect(data).toEqual(Int32Array.from({ length: 24 }, (_, index) => index))
  })

  it('reads scalars and empty arrays', () => {
    expect(decodeNpy(npy({ descr: '<f4', shape: [] }, bytesOf(Float32Array.of(3))), 'a').shape).toEqual([])
    expect(decodeNpy(npy({ descr: '<f4', shape: [0, 4] }, new Uint8Array()), 'a').data.length).toBe(0)
    const fortran = npy({ descr: '<f4', shape: [0, 4], isFortranOrder: true }, new Uint8Array())
    expect(decodeNpy(fortran, 'a').shape).toEqual([0, 4])
  })

  it('reads fixed-width text without its padding', () => {
    const bytes = decodeNpy(npy({ descr: '|S3', shape: [2] }, Buffer.from('abcd\0\0')), 'a')
    expect(bytes.datatype).toBe('BYTES')
    expect(Array.from(bytes.data as readonly Uint8Array[], text)).toEqual(['abc', 'd'])
    const points = bytesOf(Uint32Array.of(0xe4, 0x1f600, 0x62, 0))
    const unicode = decodeNpy(npy({ descr: '<U2', shape: [2] }, points), 'a')
    expect(Array.from(unicode.data as readonly Uint8Array[], text)).toEqual(['ä😀', 'b'])
    const swapped = npy({ descr: '>U1', shape: [1] }, Uint8Array.of(0, 0, 0, 0x61))
    expect(Array.from(decodeNpy(swapped, 'a').data as readonly Uint8Array[], text)).toEqual(['a'])
  })

  it.each([
    ['no .npy file', Buffer.from('hello, this is text')],
    ['cut off: shape [3] of 4 bytes each needs 12 bytes', npy({ descr: '<f4', shape: [3] }, new Uint8Array(8))],
    ["type 'c8' has no place in a tensor", npy({ descr: '<c8', shape: [1] }, new Uint8Array(8))],
    ["type 'O' has no place in a tensor", npy({ descr: '|O', shape: [1] }, new Uint8Array(8))],
    ['version 9 of .npy is not known', Buffer.concat([Buffer.from('\x93NUMPY\x09\0', 'latin1'), Buffer.alloc(8)])],
  ])('refuses with: %s', (reason, bytes) => {
    expect(() => decodeNpy(bytes, 'a.npy')).toThrow(`a.npy: ${reason}`)
  })
})
