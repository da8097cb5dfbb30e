import { describe, expect, it } from 'vitest'
import { decodeV1Request, decodeV1Response, encodeV1Request, encodeV1Response } from '../../src/codec/index.ts'
import type { TensorMetadata } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import type { DataType, Tensor } from '../../src/core/tensor.ts'
import { bytes, refusal } from './text.ts'

const model = { name: 'M' }
const ref = { name: 'M', version: '1' }
const input = (name: string, datatype: DataType, shape: readonly number[] = [-1]): TensorMetadata => ({
  name,
  datatype,
  shape,
})
const x = [input('x', 'FP32', [-1, 1])]
const decode = (text: string, inputs: readonly TensorMetadata[] = x) => decodeV1Request(bytes(text), model, inputs)
const inputsOf = (text: string, inputs?: readonly TensorMetadata[]) => decode(text, inputs).request.inputs
const refused = (text: string, inputs?: readonly TensorMetadata[]) => refusal(() => decode(text, inputs))
const encode = (outputs: readonly Tensor[], format: 'row' | 'columnar' = 'row') =>
  Buffer.from(encodeV1Response({ model: ref, outputs }, format)).toString()

describe('decodeV1Request', () => {
  it('reads rows into the datatype of the input', () => {
    expect(decode('{"instances":[[1.0,2.0],[3.0,4.0]]}')).toEqual({
      request: { model, inputs: [tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))] },
      format: 'row',
    })
  })

  it('reads columns, named or not, and the name of the signature', () => {
    const expected = [tensor('x', 'FP32', [2, 1], Float32Array.of(3, 4))]
    expect(decode('{"signature_name":"serving_default","inputs":[3.0,4.0]}')).toEqual({
      request: { model, inputs: expected },
      format: 'columnar',
      isFlat: true,
      signatureName: 'serving_default',
    })
    expect(inputsOf('{"inputs":{"x":[3.0,4.0]}}')).toEqual(expected)
    expect(inputsOf('{"inputs":5}', [input('x', 'INT64', [])])).toEqual([
      tensor('x', 'INT64', [], BigInt64Array.of(5n)),
    ])
  })

  it('makes columns of one from scalars where the model has them, and nothing else', () => {
    expect(inputsOf('{"instances":[1.0,2.0]}')[0]?.shape).toEqual([2, 1])
    expect(inputsOf('{"instances":[1.0,2.0]}', [input('x', 'FP32', [-1])])[0]?.shape).toEqual([2])
    expect(inputsOf('{"instances":[1.0,2.0]}', [input('x', 'FP32', [-1, 2])])[0]?.shape).toEqual([2])
    expect(inputsOf('{"instances":[[1],[2]]}')[0]?.shape).toEqual([2, 1])
  })

  it('reads rows of several named inputs', () => {
    const signature = [input('a', 'INT64'), input('b', 'FP32', [-1, 2]), { ...input('c', 'BOOL'), isOptional: true }]
    expect(inputsOf('{"instances":[{"a":1,"b":[1,2]},{"b":[3,4],"a":9007199254740993}]}', signature)).toEqual([
      tensor('a', 'INT64', [2], BigInt64Array.of(1n, 9007199254740993n)),
      tensor('b', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4)),
    ])
  })

  it('reads bytes in base64 as values', () => {
    const signature = [input('in', 'BYTES', [-1, -1, 1])]
    const abc = [bytes('abc'), bytes('de')]
    expect(inputsOf('{"instances":[{"in":[[{"b64":"YWJj"}],[{"b64":"ZGU="}]]}]}', signature)).toEqual([
      tensor('in', 'BYTES', [1, 2, 1], abc),
    ])
    expect(inputsOf('{"instances":[{"b64":"YWJj"},{"b64":"ZGU="}]}', [input('in', 'BYTES')])).toEqual([
      tensor('in', 'BYTES', [2], abc),
    ])
    expect(inputsOf('{"inputs":{"b64":"YWJj"}}', [input('in', 'BYTES', [])])).toEqual([
      tensor('in', 'BYTES', [], [bytes('abc')]),
    ])
  })

  it('infers names and datatypes where the model has none', () => {
    expect(inputsOf('{"instances":[[1,2],[3,4]]}', [])).toEqual([
      tensor('input-0', 'INT64', [2, 2], BigInt64Array.of(1n, 2n, 3n, 4n)),
    ])
    expect(inputsOf('{"instances":[{"a":1,"s":"x"},{"a":1.5,"s":"tf[1,"}]}', [])).toEqual([
      tensor('a', 'FP64', [2], Float64Array.of(1, 1.5)),
      tensor(
        's',
        'BYTES',
        [2],
        [bytes('x'), bytes('tf[1,')].map((text) => new Uint8Array(text)),
      ),
    ])
    expect(inputsOf('{"inputs":{"b":[true,false],"n":[NaN,-Infinity]}}', [])).toEqual([
      tensor('b', 'BOOL', [2], Uint8Array.of(1, 0)),
      tensor('n', 'FP64', [2], Float64Array.of(NaN, -Infinity)),
    ])
  })

  it('lets floats overflow', () => {
    expect(inputsOf('{"instances":[1.797e308,-1.797e308]}')[0]?.data).toEqual(Float32Array.of(Infinity, -Infinity))
  })

  it('grows with many rows', () => {
    const rows = Array.from({ length: 1000 }, (_, index) => [index, -index])
    expect(inputsOf(JSON.stringify({ instances: rows }), [input('x', 'INT16', [-1, 2])])).toEqual([
      tensor('x', 'INT16', [1000, 2], Int16Array.from(rows.flat())),
    ])
  })

  it.each([
    ['', 'JSON Parse error: The document is empty'],
    ['instances = [1, 2]', 'JSON Parse error: Invalid value. at offset: 0'],
    ['[1,2]', 'JSON Value: [1,2] Is not object'],
    ['{"signature_name":100}', `'signature_name' key must be a string value.`],
    ['{"signature_name":"x","instances":[1]}', 'Serving signature name: "x" not found in signature def'],
    ['{"instances":[1],"inputs":[1]}', 'Not formatted correctly'],
    ['{}', `Missing 'inputs' or 'instances' key`],
    ['{"instances":5}', 'Expected "instances" to be a list'],
    ['{"instances":[]}', '"instances" is an empty list'],
    ['{"instances":[[1,2],[3,4],[5,6,7]]}', `Expecting tensor size: 2 but got: 3 for input 'x'`],
    ['{"instances":[1,[1]]}', 'Expecting shape'],
    ['{"instances":[[1,2],[3,4],[[5,6]]]}', 'Expecting shape'],
    ['{"instances":[[1],2]}', 'Expecting shape [1] but got []'],
    ['{"instances":["x"]}', 'JSON Value: "x" Type: String is not of expected type: float'],
    ['{"instances":[null]}', 'Type: Null is not of expected type: float'],
    ['{"instances":[1,{"x":1}]}', 'Expecting value/list but got object'],
    ['{"instances":[{"x":1},1]}', 'Expecting object but got list/primitive'],
    ['{"instances":[{"x":1},{}]}', 'instances[1] does not have named input: x'],
    ['{"instances":[{"x":1,"x":2}]}', `instances[0] names 'x' twice`],
    ['{"instances":[{"x":1,"zz":2}]}', `unexpected inference input 'zz'`],
    ['{"inputs":{}}', `Missing named input: x in 'inputs' object.`],
    [`{"instances":${'['.repeat(1000)}${']'.repeat(1000)}}`, 'nested more than 100 levels'],
  ])('refuses %s', (text, message) => {
    const { code, message: got } = refused(text)
    expect(code).toBe('invalid_argument')
    expect(got).toContain(message)
  })

  it('refuses what does not fit the datatype', () => {
    expect(refused('{"instances":[300]}', [input('u', 'UINT8')]).message).toContain(
      'JSON Value: 300 Type: Number is not of expected type: uint8',
    )
    expect(refused('{"instances":[1.0]}', [input('u', 'INT32')]).message).toContain(`for input 'u'`)
    expect(refused('{"instances":[1]}', [input('h', 'FP16')]).code).toBe('unimplemented')
    expect(refused('{"instances":[1]}', [input('a', 'FP32'), input('b', 'FP32')]).message).toContain(
      'Expecting object but got list/primitive',
    )
    expect(refused('{"inputs":[1]}', [input('a', 'FP32'), input('b', 'FP32')]).message).toContain(`names 'a', 'b'`)
  })
})

describe('encodeV1Response', () => {
  it('answers lists of scalars by lists of scalars, and nothing else', () => {
    const outputs = [tensor('y', 'FP32', [2, 1], Float32Array.of(2.5, 3))]
    const text = (isFlat: boolean, given: readonly Tensor[] = outputs) =>
      Buffer.from(encodeV1Response({ model: ref, outputs: given }, 'row', isFlat)).toString()
    expect(text(false)).toBe('{"predictions":[[2.5],[3.0]]}')
    expect(text(true)).toBe('{"predictions":[2.5,3.0]}')
    expect(text(true, [tensor('y', 'FP32', [1, 2], Float32Array.of(2.5, 3))])).toBe('{"predictions":[[2.5,3.0]]}')
  })

  const y = tensor('y', 'FP32', [2, 2], Float32Array.of(2.5, 3, 3.5, 4))

  it('writes rows', () => {
    expect(encode([y])).toBe('{"predictions":[[2.5,3.0],[3.5,4.0]]}')
    expect(encode([tensor('y', 'FP32', [2], Float32Array.of(2.5, 3))])).toBe('{"predictions":[2.5,3.0]}')
    expect(encode([y, tensor('n', 'INT32', [2], Int32Array.of(1, 2))])).toBe(
      '{"predictions":[{"y":[2.5,3.0],"n":1},{"y":[3.5,4.0],"n":2}]}',
    )
    expect(encode([tensor('y', 'FP32', [0, 2], new Float32Array())])).toBe('{"predictions":[]}')
    expect(encode([tensor('y', 'FP32', [2, 0], new Float32Array())])).toBe('{"predictions":[[],[]]}')
  })

  it('writes columns', () => {
    expect(encode([y], 'columnar')).toBe('{"outputs":[[2.5,3.0],[3.5,4.0]]}')
    expect(encode([y, tensor('n', 'INT32', [], Int32Array.of(1))], 'columnar')).toBe(
      '{"outputs":{"y":[[2.5,3.0],[3.5,4.0]],"n":1}}',
    )
  })

  it('writes strings as text, bytes as base64', () => {
    expect(encode([tensor('img_bytes', 'BYTES', [1], [bytes('abc')])])).toBe('{"predictions":[{"b64":"YWJj"}]}')
    expect(encode([tensor('img', 'BYTES', [2], [bytes('é'), Uint8Array.of(0xff)])])).toBe(
      '{"predictions":["é",{"b64":"/w=="}]}',
    )
  })

  it('refuses what rows cannot hold', () => {
    const scalar = tensor('s', 'FP32', [], Float32Array.of(1))
    expect(refusal(() => encode([scalar])).message).toBe('Tensor name: s has no shape information')
    expect(refusal(() => encode([y, tensor('z', 'FP32', [1], Float32Array.of(1))])).message).toContain(
      'inconsistent batch size',
    )
    expect(refusal(() => encode([tensor('h', 'FP16', [1], Uint16Array.of(1))]))).toEqual({
      code: 'invalid_argument',
      message: 'Failed to write JSON value for tensor type: half',
    })
  })
})

describe('the client side of V1', () => {
  it('writes requests that the server side reads', () => {
    const inputs = [
      tensor('a', 'INT32', [2], Int32Array.of(1, 2)),
      tensor('b_bytes', 'BYTES', [2, 1], [bytes('p'), bytes('q')]),
    ]
    for (const format of ['row', 'columnar'] as const) {
      const body = encodeV1Request({ model, inputs }, format)
      expect(decodeV1Request(body, model, [input('a', 'INT32'), input('b_bytes', 'BYTES', [-1, 1])])).toEqual({
        request: { model, inputs },
        format,
      })
    }
  })

  it('reads answers', () => {
    const outputs = [tensor('y', 'FP32', [2], Float32Array.of(1, 2))]
    for (const format of ['row', 'columnar'] as const) {
      const body = encodeV1Response({ model: ref, outputs }, format)
      expect(decodeV1Response(body, ref, [input('y', 'FP32')])).toEqual({ model: ref, outputs })
      expect(decodeV1Response(body, ref).outputs).toEqual([tensor('output-0', 'FP64', [2], Float64Array.of(1, 2))])
    }
    expect(decodeV1Response(bytes('{"predictions":[]}'), ref, [input('y', 'FP32')]).outputs).toEqual([
      tensor('y', 'FP32', [0], new Float32Array()),
    ])
  })
})
