import { describe, expect, it } from 'vitest'
import { decodeV2Request, decodeV2Response, encodeV2Request, encodeV2Response } from '../../src/codec/index.ts'
import type { OutputEncoding } from '../../src/codec/index.ts'
import { bytesOf, encodeByteStrings, tensor } from '../../src/core/tensor.ts'
import { bytes, refusal, whole } from './text.ts'

const model = { name: 'simple' }
const s16 = Int32Array.from({ length: 16 }, (_, index) => index + 1)
const le32 = bytesOf(s16)

function decode(header: object | string, tail: readonly Uint8Array[], headerLength?: number) {
  const json = bytes(typeof header === 'string' ? header : JSON.stringify(header))
  return decodeV2Request(Buffer.concat([json, ...tail]), headerLength ?? json.length, model)
}

const input = (name: string, size = 64, shape = [1, 16], datatype = 'INT32') => ({
  name,
  shape,
  datatype,
  parameters: { binary_data_size: size },
})

describe('binary tensors of requests', () => {
  it('reads two inputs behind the JSON, whatever the alignment', () => {
    for (const space of ['', ' ', '  ', '   ', '    ']) {
      const header = JSON.stringify({ inputs: [input('INPUT0'), input('INPUT1')] }) + space
      const { request, outputs } = decode(header, [le32, le32])
      expect(request.inputs).toEqual(
        ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [1, 16], data: s16 })),
      )
      expect(outputs).toEqual({ isBinary: false })
    }
  })

  it('mixes JSON and binary inputs', () => {
    const json = { name: 'INPUT0', shape: [1, 16], datatype: 'INT32', data: [...s16] }
    expect(decode({ inputs: [json, input('INPUT1')] }, [le32]).request.inputs.map(({ data }) => data)).toEqual([
      s16,
      s16,
    ])
  })

  it('reads FP16, BF16, BYTES and tensors of no bytes', () => {
    const strings = [bytes('ab'), bytes('')]
    const raw = encodeByteStrings(strings)
    const { inputs } = decode(
      {
        inputs: [
          input('H', 2, [1], 'FP16'),
          input('B', 2, [1], 'BF16'),
          input('S', raw.length, [2], 'BYTES'),
          input('E', 0, [0, 4], 'BYTES'),
        ],
      },
      [Uint8Array.of(0, 0x3c), Uint8Array.of(0x20, 0x40), raw],
    ).request
    expect(inputs.map(({ data }) => data)).toEqual([Uint16Array.of(0x3c00), Uint16Array.of(0x4020), strings, []])
  })

  it.each([
    [
      'extra bytes',
      [input('INPUT0')],
      [le32, Uint8Array.of(1, 2, 3, 4)],
      `unexpected additional input data for model 'simple'`,
    ],
    [
      'a wrong size',
      [input('INPUT0', 60)],
      [le32.subarray(4)],
      `input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 64, got 60`,
    ],
    [
      'a short body',
      [input('INPUT0')],
      [le32.subarray(4)],
      `unexpected size for input 'INPUT0', expecting 4 additional bytes for model 'simple'`,
    ],
    ['a huge shape', [input('INPUT0', 64, [2 ** 40])], [le32], 'Expected 4398046511104, got 64'],
    ['a string past the end', [input('X', 5, [1], 'BYTES')], [Uint8Array.of(9, 0, 0, 0, 1)], 'incomplete string data'],
    ['a cut length', [input('X', 2, [1], 'BYTES')], [Uint8Array.of(9, 0)], 'incomplete string length indicator'],
    [
      'too few strings',
      [input('X', 8, [3], 'BYTES')],
      [new Uint8Array(8)],
      `expected 3 string elements for inference input 'X', got 2`,
    ],
    ['too many strings', [input('X', 8, [1], 'BYTES')], [new Uint8Array(8)], 'unexpected number of string elements'],
    ['a negative size', [input('X', -1)], [], `parameter 'binary_data_size' must be a non-negative integer`],
  ])('refuses %s', (_, inputs, tail, message) => {
    const refused = refusal(() => decode({ inputs }, tail))
    expect(refused.code).toBe('invalid_argument')
    expect(refused.message).toContain(message)
  })

  it('refuses header lengths outside the body', () => {
    for (const length of [0, -1, 1.5, NaN, 10_000]) {
      expect(refusal(() => decode('{}', [], length)).message).toBe(
        `inference header size should be in range (0, 2), got: ${length}`,
      )
    }
    expect(
      refusal(() => decodeV2Request(bytes(JSON.stringify({ inputs: [input('A')] })), undefined, model)).message,
    ).toContain('expecting 64 additional bytes')
  })

  it('tells the form of each output', () => {
    const inputs = [input('INPUT0')]
    const asked = (rest: object): OutputEncoding => decode({ inputs, ...rest }, [le32]).outputs
    const flag = { parameters: { binary_data_output: true } }
    expect(asked(flag)).toEqual({ isBinary: true })
    const outputs = [
      { name: 'A', parameters: { binary_data: true } },
      { name: 'B' },
      { name: 'C', parameters: { binary_data: false } },
    ]
    expect(asked({ outputs, ...flag })).toEqual({
      isBinary: true,
      listed: new Map([
        ['A', { isBinary: true }],
        ['B', { isBinary: false }],
        ['C', { isBinary: false }],
      ]),
    })
    expect(refusal(() => asked({ outputs: [{ name: 'A', parameters: { binary_data: 1 } }] })).code).toBe(
      'invalid_argument',
    )
  })
})

describe('binary tensors of responses', () => {
  const response = {
    model: { name: 'm', version: '1' },
    outputs: [tensor('A', 'INT32', [1, 16], s16), tensor('B', 'INT32', [1, 1], Int32Array.of(7))],
  }

  it('mixes binary and JSON, without copying what is raw', () => {
    const { body, headerLength } = encodeV2Response(response, {
      isBinary: false,
      listed: new Map([['A', { isBinary: true }]]),
    })
    if (body instanceof Uint8Array) throw new Error('not in parts')
    expect(Buffer.from(body[0] ?? []).toString()).toBe(
      '{"model_name":"m","model_version":"1","outputs":[' +
        '{"name":"A","datatype":"INT32","shape":[1,16],"parameters":{"binary_data_size":64}},' +
        '{"name":"B","datatype":"INT32","shape":[1,1],"data":[7]}]}',
    )
    expect(body[1]?.buffer).toBe(s16.buffer)
    expect(decodeV2Response(whole(body), headerLength)).toEqual(response)
  })

  it('is plain JSON where no binary byte is', () => {
    const outputs = [tensor('E', 'FP32', [0, 2], new Float32Array())]
    const { body, headerLength } = encodeV2Response({ ...response, outputs }, { isBinary: true })
    expect(headerLength).toBeUndefined()
    expect(decodeV2Response(whole(body))).toEqual({ ...response, outputs })
  })
})

describe('encodeV2Request', () => {
  const inputs = [tensor('A', 'INT32', [16], s16)]

  it('asks for binary outputs, listed or not', () => {
    const unlisted = encodeV2Request({ id: 'i', model, inputs }, { binary: true })
    const call = decodeV2Request(whole(unlisted.body), unlisted.headerLength, model)
    expect(call).toEqual({ request: { id: 'i', model, inputs }, outputs: { isBinary: true } })
    const request = { model, inputs, outputs: ['Y'], parameters: { p: 1 } }
    const listed = encodeV2Request(request, { binary: true })
    expect(decodeV2Request(whole(listed.body), listed.headerLength, model)).toEqual({
      request,
      outputs: { isBinary: false, listed: new Map([['Y', { isBinary: true }]]) },
    })
  })

  it('writes JSON', () => {
    const { body, headerLength } = encodeV2Request({ model, inputs, outputs: ['Y'] }, { binary: false })
    expect(headerLength).toBeUndefined()
    expect(JSON.parse(whole(body).toString())).toEqual({
      inputs: [{ name: 'A', datatype: 'INT32', shape: [16], data: [...s16] }],
      outputs: [{ name: 'Y' }],
    })
  })
})
