import { describe, expect, it } from 'vitest'
import { encodeFrame, FrameReader } from '../../src/runtime/frames.ts'
import type { Frame } from '../../src/runtime/frames.ts'
import { inheritedFlags } from '../../src/runtime/inherited-flags.ts'
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/runtime/process-messages.ts'
import { tensor } from '../../src/runtime/index.ts'
import { integer, seeded } from '../codec/random.ts'

function read(bytes: Uint8Array, sizes: () => number): Frame[] {
  const frames: Frame[] = []
  const reader = new FrameReader((frame) => frames.push(frame))
  for (let offset = 0; offset < bytes.length;) {
    const size = Math.max(1, sizes())
    reader.push(bytes.subarray(offset, offset + size))
    offset += size
  }
  return frames
}

describe('frames', () => {
  it('come out as they went in, however the pipe cuts them', () => {
    const random = seeded(7)
    const sent = Array.from({ length: 200 }, (_, index) => {
      const parts = Array.from({ length: integer(random, 4) }, () => {
        const large = random() < 0.1
        return new Uint8Array(integer(random, large ? 200_000 : 50)).fill(index)
      })
      return { header: JSON.stringify({ index, text: 'ü'.repeat(integer(random, 20)) }), parts }
    })
    const bytes = Buffer.concat(sent.flatMap(({ header, parts }) => encodeFrame(header, parts)))
    const frames = read(bytes, () => integer(random, random() < 0.5 ? 20 : 100_000))
    expect(frames.map(({ header }) => header)).toEqual(sent.map(({ header }) => header))
    for (const [index, { body }] of frames.entries()) {
      let offset = 0
      for (const part of sent[index]?.parts ?? []) {
        expect(Buffer.compare(new Uint8Array(body, offset, part.length), part)).toBe(0)
        offset += Math.ceil(part.length / 8) * 8
      }
      expect(body.byteLength).toBe(offset)
    }
  })

  it('do not copy large parts', () => {
    const large = new Uint8Array(100_000)
    expect(encodeFrame('{}', [new Uint8Array(3), large, new Uint8Array(5)])[1]).toBe(large)
  })

  it('refuse bytes that are none', () => {
    const reader = new FrameReader(() => undefined)
    expect(() => reader.push(Buffer.from('an assertion of a native library'))).toThrow(/damaged/)
  })
})

describe('messages to a process', () => {
  const inputs = [
    tensor('B', 'BYTES', [2], [Buffer.from('a'), new Uint8Array(0)]),
    tensor('D', 'FP64', [2], Float64Array.of(NaN, -0)),
    tensor('E', 'FP32', [0], new Float32Array(0)),
  ]

  it('carry tensors, wanted outputs and parameters', () => {
    const batch = { inputs, outputs: ['D'], parameters: { temperature: 0.5 } }
    const [frame] = read(Buffer.concat(encodeRequest({ kind: 'run', batch })), () => 7)
    const request = frame === undefined ? undefined : decodeRequest(frame)
    expect(request).toMatchObject({ kind: 'run', batch: { outputs: ['D'], parameters: { temperature: 0.5 } } })
    expect(request?.kind === 'run' ? request.batch.inputs[1]?.data : undefined).toEqual(Float64Array.of(NaN, -0))
  })

  it('carry facts of a session that JSON cannot', () => {
    const info = { infinity: Infinity, map: new Map([[1n, undefined]]) }
    const [frame] = read(Buffer.concat(encodeReply({ kind: 'opened', info, memoryBytes: 5 })), () => 1000)
    expect(frame === undefined ? undefined : decodeReply(frame)).toEqual({ kind: 'opened', info, memoryBytes: 5 })
  })
})

describe('flags of Node', () => {
  it('are handed on but for those that name a program or open a port', () => {
    const flags = [
      '--max-old-space-size=100',
      '--eval',
      'code',
      '--input-type=module',
      '--inspect=9229',
      '--import',
      'x',
    ]
    expect(inheritedFlags(flags)).toEqual(['--max-old-space-size=100', '--import', 'x'])
  })
})
