import { describe, expect, it } from 'vitest'
import { FrameReader, frameType, grpcStatusOf, requestFrames, type Frame } from '../../bench/generator/http2-frames.ts'

describe('FrameReader', () => {
  it('gives the same frames however the bytes are cut', () => {
    const request = requestFrames('127.0.0.1:1', '/a/b', { te: 'trailers' }, Uint8Array.of(1, 2, 3))
    const bytes = Buffer.concat([request.of(1), request.of(3)])
    for (let size = 1; size <= bytes.length; size += 1) {
      const frames: Frame[] = []
      const reader = new FrameReader()
      for (let at = 0; at < bytes.length; at += size) {
        reader.read(bytes.subarray(at, at + size), (frame) => frames.push(frame))
      }
      expect(frames.map(({ type, stream, isLast }) => [type, stream, isLast])).toEqual([
        [frameType.headers, 1, false],
        [frameType.data, 1, true],
        [frameType.headers, 3, false],
        [frameType.data, 3, true],
      ])
      expect(frames[3]?.payload).toEqual(Buffer.of(1, 2, 3))
    }
  })
})

describe('the gRPC status of trailers', () => {
  it.each([
    ['by its Huffman code, as nghttp2 writes it', '889acac8b21234da8f0130', 0],
    ['with two digits', '889acac8b21234da8f023134', 14],
    ['as plain text', `0b${Buffer.from('grpc-status').toString('hex')}0138`, 8],
  ])('is read %s', (_form, field, status) => {
    const message = '00899acac8b5254207317f024f4b' // grpc-message: OK
    expect(grpcStatusOf(Buffer.from(`00${field}${message}`, 'hex'))).toBe(status)
    expect(grpcStatusOf(Buffer.from(`${message}00${field}`, 'hex'))).toBe(status)
  })

  it('is not made up where there is none', () => {
    expect(grpcStatusOf(Buffer.from('00899acac8b5254207317f024f4b', 'hex'))).toBeUndefined()
  })
})
