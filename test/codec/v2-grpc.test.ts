import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  decodeGrpcInferRequest,
  decodeGrpcInferResponse,
  encodeGrpcInferRequest,
  encodeGrpcInferResponse,
  encodeGrpcStreamResponse,
  peekGrpcInferRequest,
} from '../../src/codec/v2-grpc.ts'
import { InferenceError } from '../../src/core/errors.ts'
import type { InferenceRequest, InferenceResponse } from '../../src/core/inference.ts'
import { byteLength, tensor, type Tensor } from '../../src/core/tensor.ts'
import { root } from '../paths.ts'

const definitions = loadSync('inference.proto', {
  includeDirs: [join(root, 'proto')],
  keepCase: true,
  longs: String,
  arrays: true,
})

type Message = Readonly<Record<string, unknown>>

/** proto-loader's codec of a message: what ours is compared with. */
function reference(name: string) {
  const definition = definitions[`inference.${name}`] as MessageTypeDefinition<Message, Message> // proto/ has it
  return {
    encode: (message: Message): Buffer => definition.serialize(message),
    decode: (bytes: Uint8Array): Message => definition.deserialize(Buffer.from(bytes)),
  }
}
const requests = reference('ModelInferRequest')
const responses = reference('ModelInferResponse')

const all: readonly Tensor[] = [
  tensor('bool', 'BOOL', [3], Uint8Array.of(1, 0, 1)),
  tensor('uint8', 'UINT8', [2], Uint8Array.of(0, 255)),
  tensor('uint16', 'UINT16', [2], Uint16Array.of(0, 65_535)),
  tensor('uint32', 'UINT32', [2], Uint32Array.of(0, 4_294_967_295)),
  tensor('uint64', 'UINT64', [2], BigUint64Array.of(0n, 2n ** 64n - 1n)),
  tensor('int8', 'INT8', [2], Int8Array.of(-128, 127)),
  tensor('int16', 'INT16', [2], Int16Array.of(-32_768, 32_767)),
  tensor('int32', 'INT32', [2, 1], Int32Array.of(-2_147_483_648, 2_147_483_647)),
  tensor('int64', 'INT64', [3], BigInt64Array.of(-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n)),
  tensor('fp32', 'FP32', [3], Float32Array.of(21, -0, Number.NaN)),
  tensor('fp64', 'FP64', [2], Float64Array.of(0.1, -Infinity)),
  tensor(
    'bytes',
    'BYTES',
    [3],
    [Buffer.from('a'), Buffer.alloc(0), Buffer.from('é\0')].map((text) => new Uint8Array(text)),
  ),
  tensor('scalar', 'FP32', [], Float32Array.of(1.5)),
  tensor('empty', 'INT64', [0, 16], new BigInt64Array(0)),
  tensor('no-text', 'BYTES', [0], []),
]
const rawOnly: readonly Tensor[] = [
  tensor('fp16', 'FP16', [2], Uint16Array.of(0x3c00, 0x7e00)),
  tensor('bf16', 'BF16', [1], Uint16Array.of(0x4020)),
]
const response: InferenceResponse = {
  id: 'ä'.repeat(100),
  model: { name: 'm', version: '3' },
  outputs: all,
  parameters: { flag: true, off: false, count: -7, big: 2 ** 40, ratio: 0.5, text: '' },
}

/** Tensors with the parts that are compared, whatever kind of array holds the strings. */
function plain(tensors: readonly Tensor[]): unknown {
  return tensors.map((one) => ({
    ...one,
    data: one.datatype === 'BYTES' ? one.data.map((text) => Buffer.from(text).toString('hex')) : one.data,
  }))
}

describe('responses', () => {
  it('come back as they were, raw', () => {
    const sent = { ...response, outputs: [...all, ...rawOnly] }
    const decoded = decodeGrpcInferResponse(encodeGrpcInferResponse(sent))
    expect(plain(decoded.outputs)).toEqual(plain(sent.outputs))
    expect(decoded).toMatchObject({ id: response.id, model: response.model, parameters: response.parameters })
  })

  it('come back as they were, typed', () => {
    const bytes = encodeGrpcInferResponse(response, { isTyped: true })
    expect(responses.decode(bytes)['raw_output_contents']).toEqual([])
    expect(plain(decodeGrpcInferResponse(bytes).outputs)).toEqual(plain(all))
  })

  it('are raw where a datatype has no typed field', () => {
    const bytes = encodeGrpcInferResponse({ ...response, outputs: rawOnly }, { isTyped: true })
    expect(responses.decode(bytes)['raw_output_contents']).toEqual([Buffer.of(0, 0x3c, 0, 0x7e), Buffer.of(0x20, 0x40)])
  })

  it.each([true, false])('are read by another implementation, typed: %s', (isTyped) => {
    const bytes = encodeGrpcInferResponse(response, { isTyped })
    const known = responses.decode(bytes)
    expect(known).toMatchObject({ model_name: 'm', model_version: '3', id: response.id })
    expect(plain(decodeGrpcInferResponse(responses.encode(known)).outputs)).toEqual(plain(all))
    expect(decodeGrpcInferResponse(responses.encode(known)).parameters).toEqual(response.parameters)
  })

  it('write FP32 21 as 00 00 a8 41', () => {
    const bytes = encodeGrpcInferResponse({ ...response, outputs: [tensor('x', 'FP32', [1], Float32Array.of(21))] })
    expect(responses.decode(bytes)['raw_output_contents']).toEqual([Buffer.of(0, 0, 0xa8, 0x41)])
  })

  it('travel in a stream, with and without an error', () => {
    const stream = reference('ModelStreamInferResponse')
    const told = stream.decode(encodeGrpcStreamResponse({ ...response, outputs: [] }, 'went wrong'))
    expect(told).toMatchObject({ error_message: 'went wrong', infer_response: { id: response.id } })
    const good = stream.decode(encodeGrpcStreamResponse(response))
    expect(good).not.toHaveProperty('error_message')
    expect(good['infer_response']).toEqual(responses.decode(encodeGrpcInferResponse(response)))
  })
})

describe('requests', () => {
  const request: InferenceRequest = {
    id: '1',
    model: { name: 'm', version: '2' },
    inputs: [...all, ...rawOnly],
    outputs: ['a', 'b'],
    parameters: { priority: 3 },
  }

  it('come back as they were', () => {
    const decoded = decodeGrpcInferRequest(encodeGrpcInferRequest(request)).request
    expect(plain(decoded.inputs)).toEqual(plain(request.inputs))
    expect(decoded).toMatchObject({ id: '1', model: request.model, outputs: ['a', 'b'], parameters: { priority: 3 } })
  })

  it('leave out what is empty', () => {
    const bytes = encodeGrpcInferRequest({ model: { name: 'm' }, inputs: [] })
    expect(bytes).toEqual(Buffer.from([0x0a, 1, 0x6d]))
    expect(decodeGrpcInferRequest(bytes).request).toEqual({ model: { name: 'm' }, inputs: [] })
  })

  it('keep the parameters of tensors and of outputs', () => {
    const parameters = { content_type: { string_param: 'np' } }
    const { request: decoded, outputParameters } = decodeGrpcInferRequest(
      requests.encode({
        model_name: 'm',
        inputs: [{ name: 'x', datatype: 'INT32', shape: [1], parameters, contents: { int_contents: [1] } }],
        outputs: [{ name: 'y', parameters: { classification: { int64_param: 2 } } }],
      }),
    )
    expect(decoded.inputs[0]?.parameters).toEqual({ content_type: 'np' })
    expect(outputParameters.get('y')).toEqual({ classification: 2 })
  })

  it('are views on the message where they are aligned, at every offset right', () => {
    const values = Float64Array.of(1, 2, 3)
    const message = encodeGrpcInferRequest({ model: { name: 'm' }, inputs: [tensor('x', 'FP64', [3], values)] })
    const outcomes = new Set<boolean>()
    for (let offset = 0; offset < 8; offset += 1) {
      const body = new Uint8Array(message.byteLength + 8)
      body.set(message, offset)
      const [input] = decodeGrpcInferRequest(body.subarray(offset, offset + message.byteLength)).request.inputs
      expect(input?.data).toEqual(values)
      outcomes.add(input?.datatype === 'FP64' && input.data.buffer === body.buffer)
    }
    expect(outcomes).toEqual(new Set([true, false]))
  })

  it('are moved inside of a message that is given up, at every offset, and never over a neighbour', () => {
    const inputs = [
      tensor('bytes', 'UINT8', [3], Uint8Array.of(1, 2, 3)),
      tensor('doubles', 'FP64', [2], Float64Array.of(0.1, -0.2)),
      tensor('text', 'BYTES', [1], [Buffer.from('ab')]),
      tensor('floats', 'FP32', [3], Float32Array.of(4, 5, 6)),
      tensor('halves', 'FP16', [1], Uint16Array.of(0x3c00)),
    ]
    const message = encodeGrpcInferRequest({ id: '7', model: { name: 'm' }, inputs })
    let moved = 0
    for (let offset = 0; offset < 8; offset += 1) {
      const body = new Uint8Array(message.byteLength + 16).fill(0xee)
      body.set(message, offset)
      const given = body.subarray(offset, offset + message.byteLength)
      const decoded = decodeGrpcInferRequest(given, { isOwned: true }).request
      expect(decoded).toEqual(decodeGrpcInferRequest(message).request)
      const [, , , floats] = decoded.inputs
      if (floats?.datatype === 'FP32' && floats.data.buffer === body.buffer) moved += 1
      expect(body.subarray(0, offset).every((byte) => byte === 0xee)).toBe(true)
      expect(body.subarray(offset + message.byteLength).every((byte) => byte === 0xee)).toBe(true)
    }
    expect(moved).toBeGreaterThan(2) // by chance two of eight would lie right
  })

  it('are never copied where they are large, and what they look like does not change whose request it is', () => {
    const id = 0x1a // read as a tag: an empty id
    const large = tensor('x', 'INT32', [1, 16384], new Int32Array(16384).fill(id))
    const message = encodeGrpcInferRequest({ id: '7', model: { name: 'm' }, inputs: [large] })
    for (let offset = 0; offset < 4; offset += 1) {
      const body = new Uint8Array(message.byteLength + offset)
      body.set(message, offset)
      const given = body.subarray(offset)
      const [input] = decodeGrpcInferRequest(given, { isOwned: true }).request.inputs
      expect(input).toEqual(large)
      expect(input?.datatype === 'INT32' && input.data.buffer === body.buffer).toBe(true)
      expect(peekGrpcInferRequest(given)).toEqual({ id: '7', model: { name: 'm', version: '' } })
    }
  })

  it('bring an id, or get the one given', () => {
    const model = { name: 'm' }
    const decode = (id?: string) =>
      decodeGrpcInferRequest(encodeGrpcInferRequest({ model, inputs: [], ...(id === undefined ? {} : { id }) }), {
        id: 'given',
      })
    expect(decode('own').request.id).toBe('own')
    expect(decode().request.id).toBe('given')
  })

  it('may hold unpacked elements, parts of one message in pieces, and unknown fields', () => {
    const tag = (field: number, wireType: number) => (field << 3) | wireType
    const bytes = (field: number, ...content: number[]) => [tag(field, 2), content.length, ...content]
    const name = bytes(1, 0x78)
    const datatype = bytes(2, ...Buffer.from('INT32'))
    const unpacked = bytes(5, tag(2, 0), 1, tag(2, 0), 2, ...bytes(2, 3))
    const more = bytes(5, ...bytes(2, 4))
    const unknown = [tag(99, 0), 5, ...bytes(77, 1, 2, 3), tag(50, 5), 0, 0, 0, 0, tag(51, 1), 0, 0, 0, 0, 0, 0, 0, 0]
    const fixed = unknown.flatMap((byte) => (byte < 0x80 ? [byte] : [(byte & 0x7f) | 0x80, byte >>> 7]))
    const group = [tag(10, 3), tag(11, 3), tag(12, 0), 1, tag(11, 4), tag(10, 4)]
    const input = bytes(5, ...more, tag(3, 0), 2, ...unpacked, ...name, ...datatype, ...bytes(3, 2), ...group)
    const { request: decoded } = decodeGrpcInferRequest(Buffer.from([...fixed, ...input, ...group, ...bytes(1, 0x6d)]))
    expect(decoded.inputs).toEqual([tensor('x', 'INT32', [2, 2], Int32Array.of(4, 1, 2, 3))])
  })

  it.each([
    ['int64_param', '9007199254740993'],
    ['int64_param', '-9007199254740993'],
    ['uint64_param', '18446744073709551615'],
  ])('refuse %s %s: a number would not hold it', (kind, value) => {
    const bytes = requests.encode({ model_name: 'm', parameters: { seed: { [kind]: value } } })
    expect(() => decodeGrpcInferRequest(bytes)).toThrow(`parameter 'seed': ${value} lies beyond`)
  })

  it.each([
    ['a cut-off varint', [0x80]],
    ['a varint of eleven bytes', [0x08, ...Array<number>(10).fill(0xff), 1]],
    ['a length beyond the end', [0x0a, 5, 1]],
    ['an embedded length beyond its message', [0x2a, 3, 0x0a, 9, 1]],
    ['field number 0', [0x02, 0]],
    ['an unknown wire type', [0x0f]],
    ['a group without an end', [0x53]],
    ['an end without a group', [0x54]],
    ['groups nested too deep', Array<number>(101).fill(0x53)],
    ['a field of the wrong wire type', [0x08, 1]],
    ['a packed shape that ends inside a number', [0x2a, 3, 0x1a, 1, 0x80]],
  ])('refuse %s', (_what, bytes) => {
    expect(() => decodeGrpcInferRequest(Uint8Array.from(bytes))).toThrow(/^malformed/)
  })

  it('refuse ever more tiny objects', () => {
    const bytes = Buffer.alloc(2 * 100_000, Buffer.of(0x3a, 0))
    expect(() => decodeGrpcInferRequest(bytes)).toThrow('more than 65536')
  })

  it('refuse more than 64 dimensions', () => {
    const shape = Array<number>(65).fill(1)
    const bytes = requests.encode({ model_name: 'm', inputs: [{ name: 'x', datatype: 'INT32', shape }] })
    expect(() => decodeGrpcInferRequest(bytes)).toThrow("input 'x': the shape has more than 64 dimensions")
  })

  it('can be asked for their id and model, whatever is wrong with them', () => {
    const bytes = requests.encode({ model_name: 'm', model_version: '2', id: '7', inputs: [{ shape: [-1] }] })
    expect(peekGrpcInferRequest(bytes)).toEqual({ id: '7', model: { name: 'm', version: '2' } })
    expect(peekGrpcInferRequest(Uint8Array.of(0x0a, 1, 0x6d, 0x80))).toEqual({
      id: '',
      model: { name: 'm', version: '' },
    })
  })
})

describe('hostile messages', () => {
  const seeds = [
    encodeGrpcInferRequest({
      id: '1',
      model: { name: 'm', version: '2' },
      inputs: [...all, ...rawOnly],
      outputs: ['a'],
    }),
    encodeGrpcInferResponse(response, { isTyped: true }),
    encodeGrpcInferResponse(response),
    requests.encode({
      model_name: 'm',
      parameters: { a: { double_param: 1 }, b: { uint64_param: '9' }, c: { string_param: 'x' } },
      inputs: [{ name: 'x', datatype: 'INT8', shape: [2, 3], contents: { int_contents: [1, 2, 3, -4, 5, 6] } }],
      outputs: [{ name: 'y', parameters: { binary_data: { bool_param: false } } }],
    }),
  ]

  it('of 100,000 mutations give values or invalid_argument', () => {
    const random = mulberry32(20_240_601)
    let [decoded, refused] = [0, 0]
    for (let round = 0; round < 100_000; round += 1) {
      const bytes = mutate(seeds[round % seeds.length] ?? new Uint8Array(0), random)
      const decode = round % 3 === 0 ? decodeGrpcInferResponse : decodeGrpcInferRequest
      try {
        const result = decode(bytes)
        const tensors = 'request' in result ? result.request.inputs : result.outputs
        for (const one of tensors) expect(byteLength(one)).toBeLessThanOrEqual(8 * bytes.byteLength)
        decoded += 1
      } catch (reason) {
        if (!(reason instanceof InferenceError) || reason.code !== 'invalid_argument') throw reason
        refused += 1
      }
    }
    expect(decoded).toBeGreaterThan(1000)
    expect(refused).toBeGreaterThan(10_000)
  }, 60_000)
})

/** Flips, cuts, repeats or invents a few bytes. */
function mutate(seed: Uint8Array, random: () => number): Uint8Array {
  const at = (length: number) => Math.floor(random() * length)
  let bytes = Buffer.from(seed)
  for (let count = 1 + at(4); count > 0; count -= 1) {
    const position = at(bytes.byteLength)
    switch (at(6)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, position)])
        break
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, position), bytes.subarray(at(bytes.byteLength))])
        break
      case 2:
        bytes[position] = at(256)
        break
      case 3:
        bytes[position] = (bytes[position] ?? 0) ^ (1 << at(8))
        break
      case 4:
        bytes.fill(0xff, position, Math.min(position + at(12), bytes.byteLength))
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, position), Buffer.of(at(256)), bytes.subarray(position)])
    }
  }
  return bytes
}

function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
