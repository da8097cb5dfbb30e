import { describe, expect, it } from 'vitest'
import { decodeV2Request, decodeV2Response, encodeV2Response } from '../../src/codec/index.ts'
import type { InferenceResponse } from '../../src/core/inference.ts'
import { tensor } from '../../src/core/tensor.ts'
import type { Tensor } from '../../src/core/tensor.ts'
import { bytes, hex, refusal, whole } from './text.ts'

const model = { name: 'simple' }
const decode = (text: string) => decodeV2Request(bytes(text), undefined, model)
const refused = (text: string) => refusal(() => decode(text))
/** A request of one input with these fields. */
const one = (fields: string) => `{"inputs":[{"name":"X",${fields}}]}`
const inputOf = (fields: string): Tensor => {
  const [input] = decode(one(fields)).request.inputs
  if (input === undefined) throw new Error('no input')
  return input
}
const respond = (outputs: readonly Tensor[], rest: Partial<InferenceResponse> = {}) =>
  whole(encodeV2Response({ model: { name: 'm', version: '1' }, outputs, ...rest }, { isBinary: false }).body).toString()

describe('decodeV2Request from JSON', () => {
  it('reads a request', () => {
    const call = decode(
      `{"id":"a","parameters":{"p":1.5,"timeout":10},"inputs":[{"name":"X","shape":[1,4],"datatype":"FP32",
        "parameters":{"content_type":"np"},"data":[5.1,3.5,1.4,0.2]}],"outputs":[{"name":"Y"},{"name":"Z"}]}`,
    )
    expect(call.request).toEqual({
      id: 'a',
      model,
      parameters: { p: 1.5, timeout: 10 },
      inputs: [
        {
          name: 'X',
          datatype: 'FP32',
          shape: [1, 4],
          data: Float32Array.of(5.1, 3.5, 1.4, 0.2),
          parameters: { content_type: 'np' },
        },
      ],
      outputs: ['Y', 'Z'],
    })
  })

  it('takes nested and flat data, and fields in any order', () => {
    const expected = Int32Array.of(1, 2, 3, 4, 5, 6)
    for (const text of [
      '"shape":[3,2],"datatype":"INT32","data":[1,2,3,4,5,6]',
      '"shape":[3,2],"datatype":"INT32","data":[[1,2],[3,4],[5,6]]',
      '"data":[ [1 , 2], [3,4] ,[5,6] ],"shape":[3,2],"datatype":"INT32"',
      '"shape":[9],"data":"no","shape":[3,2],"data":[1,2,3,4,5,6],"datatype":"INT32"',
      '"datatype":"FP32","shape":[6],"data":[1,2,3,4,5,6],"shape":[3,2],"datatype":"INT32"',
    ]) {
      expect(inputOf(text)).toEqual({ name: 'X', datatype: 'INT32', shape: [3, 2], data: expected })
    }
  })

  it('drops an empty id and what it does not know, however deep', () => {
    const call = decode(
      `{"id":"","x":${'['.repeat(500_000)}${']'.repeat(500_000)},` +
        one('"shape":[1],"datatype":"BOOL","data":[true]').slice(1),
    )
    expect(call.request.id).toBeUndefined()
    expect(call.request.inputs[0]?.data).toEqual(Uint8Array.of(1))
  })

  it('keeps 64-bit integers exact and floats bare', () => {
    expect(inputOf('"shape":[2],"datatype":"INT64","data":[9007199254740993,-9223372036854775808]').data).toEqual(
      BigInt64Array.of(9007199254740993n, -(2n ** 63n)),
    )
    expect(inputOf('"shape":[1],"datatype":"UINT64","data":[18446744073709551615]').data).toEqual(
      BigUint64Array.of(2n ** 64n - 1n),
    )
    expect(inputOf('"shape":[3],"datatype":"FP32","data":[NaN, Infinity, -Infinity]').data).toEqual(
      Float32Array.of(NaN, Infinity, -Infinity),
    )
  })

  it('takes scalars, empty tensors and tensors without elements', () => {
    expect(inputOf('"shape":[],"datatype":"FP64","data":[2.5]')).toMatchObject({
      shape: [],
      data: Float64Array.of(2.5),
    })
    expect(inputOf('"shape":[],"datatype":"FP64","data":2.5').data).toEqual(Float64Array.of(2.5))
    expect(inputOf('"shape":[0,16],"datatype":"FP32","data":[]')).toMatchObject({
      shape: [0, 16],
      data: new Float32Array(),
    })
    expect(inputOf('"shape":[2,0],"datatype":"FP32","data":[[],[]]').data).toEqual(new Float32Array())
    expect(inputOf('"shape":[0],"datatype":"BYTES"').data).toEqual([])
    expect(inputOf('"shape":[0],"datatype":"FP16","data":[]').data).toEqual(new Uint16Array())
    expect(refused(one('"shape":[0],"datatype":"FP32","data":[1]')).message).toContain('Shape does not match')
  })

  it('reads BYTES with escapes, NUL and base64', () => {
    const data = inputOf(`"shape":[4],"datatype":"BYTES","data":["a","é\\u0000\\ud83d\\ude00",{"b64":"/wA="},""]`).data
    expect(hex(data)).toEqual(['61', 'c3a900f09f9880', 'ff00', ''])
    expect(refused(one('"shape":[1],"datatype":"BYTES","data":[{"b64":"!!!"}]')).message).toContain('base64')
    expect(refused(one('"shape":[1],"datatype":"BYTES","data":["\\ud83d"]')).code).toBe('invalid_argument')
  })

  it.each([
    ['INT32', '"7"', `input 'X': data[1] is "7", but INT32 takes integers from -2147483648 to 2147483647`],
    ['INT32', '1.5', `input 'X': data[1] is 1.5, but INT32 takes integers from`],
    ['INT32', '1e3', `data[1] is 1e3`],
    ['INT32', '2147483648', `data[1] is 2147483648`],
    ['UINT8', '300', `input 'X': data[1] is 300, but UINT8 takes integers from 0 to 255`],
    ['UINT8', '-1', `data[1] is -1`],
    ['INT8', '-129', `data[1] is -129`],
    ['UINT16', '65536', `data[1] is 65536`],
    ['INT64', '9223372036854775808', `data[1] is 9223372036854775808`],
    ['UINT64', '-1', `data[1] is -1`],
    ['UINT64', '18446744073709551616', `data[1] is 18446744073709551616`],
    ['FP32', 'null', `data[1] is null, but FP32 takes numbers and the bare tokens NaN, Infinity and -Infinity`],
    ['FP32', 'true', `data[1] is true`],
    ['BOOL', '1', `data[1] is 1, but BOOL takes true and false`],
    ['BYTES', '1', `data[1] is 1, but BYTES takes strings`],
    ['FP64', '{"a":1}', `data[1] is {"a":1}`],
  ])('refuses in %s the value %s', (datatype, value, message) => {
    const good = datatype === 'BOOL' ? 'true' : datatype === 'BYTES' ? '""' : '0'
    const { code, message: text } = refused(one(`"shape":[2],"datatype":"${datatype}","data":[${good},${value}]`))
    expect(code).toBe('invalid_argument')
    expect(text).toContain(message)
    expect(text).toContain(`'X'`)
  })

  it.each([
    ['{', 'JSON Parse error: Missing a name for object member. at offset: 1'],
    ['', 'JSON Parse error: The document is empty'],
    ['[]', 'must be a JSON object'],
    ['{"inputs":[]} x', 'must not be followed'],
    ['{}', `'inputs' is missing`],
    ['{"inputs":5}', `'inputs' must be an array of tensors, got 5`],
    ['{"inputs":[]}', `'inputs' is empty`],
    ['{"inputs":[1]}', `'inputs[0]' must be an object`],
    ['{"inputs":[{}]}', `'inputs[0]' lacks 'name'`],
    ['{"inputs":[{"name":1}]}', `'name' of 'inputs[0]' must be a string`],
    ['{"id":42}', `'id' must be a string, got 42`],
    [one('"shape":[1]'), `input 'X' lacks 'datatype'`],
    [one('"datatype":"FP32"'), `input 'X' lacks 'shape'`],
    [
      one('"shape":[1,-16],"datatype":"FP32","data":[1]'),
      `'shape' of input 'X' must be an array of non-negative integers`,
    ],
    [one('"shape":[1.0]'), 'non-negative integers, got 1.0'],
    [one('"shape":"x"'), `'shape' of input 'X'`],
    [one('"shape":[4611686018427387904,16],"datatype":"FP32","data":[1]'), 'exceed maximum size'],
    [
      one('"shape":[1000000000000],"datatype":"FP64","data":[1]'),
      `Failed to parse 'data' field: shape does not match true shape`,
    ],
    [
      one('"shape":[1,3],"datatype":"FP32","data":[1,2]'),
      `Failed to parse 'data' field: shape does not match true shape`,
    ],
    [
      one('"shape":[1,2],"datatype":"FP32","data":[1,2,3]'),
      `Unable to parse 'data': Shape does not match true shape of 'data' field`,
    ],
    [one('"shape":[2,3],"datatype":"FP32","data":[[1,2],[3,4],[5,6]]'), `Shape does not match true shape`],
    [one('"shape":[2,2],"datatype":"FP32","data":[[1,2],[3]]'), `shape does not match true shape`],
    [one('"shape":[2],"datatype":"FP32","data":[1,[2]]'), `Shape does not match true shape`],
    [one('"shape":[1],"datatype":"FP32","data":"x"'), `'data' of input 'X' must be an array`],
    [
      one(`"shape":[1],"datatype":"FP32","data":${'['.repeat(200)}1${']'.repeat(200)}`),
      `more than 100 levels deep: input 'X'`,
    ],
    [one('"shape":[2],"datatype":"FP32","data":[1,]'), 'JSON Parse error: Invalid value. at offset: 63'],
    [one('"shape":[2],"datatype":"FP32","data":[1 2]'), 'Missing a comma or ]'],
    [
      one('"shape":[1],"datatype":"FP32"'),
      `Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But no field is set`,
    ],
    [
      one('"shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}'),
      `Input must set only one of the following fields`,
    ],
    [
      one('"shape":[1],"datatype":"FP16","data":[1]'),
      'receiving FP16 data via JSON is not supported. Please use the binary data format for input X',
    ],
    [
      one('"shape":[1],"datatype":"BF16","data":[1]'),
      'receiving BF16 data via JSON is not supported. Please use the binary data format for input X',
    ],
    ['{"outputs":[{"name":"O"},{"name":"O"}]}', `output 'O' already exists in request`],
    ['{"outputs":5}', `'outputs' must be an array`],
    ['{"outputs":[{}]}', `'outputs[0]' lacks 'name'`],
    [
      '{"parameters":{"my":{"a":1}}}',
      `parameter 'my' has invalid type. It should be either 'int', 'bool', or 'string'.`,
    ],
    ['{"parameters":5}', `'parameters' must be an object`],
  ])('refuses %s', (text, message) => {
    const { code, message: got } = refused(text)
    expect(code).toBe('invalid_argument')
    expect(got).toContain(message)
  })

  it('lists the datatypes there are', () => {
    expect(refused(one('"datatype":"INT322"')).message).toContain(
      `Input should be 'BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64', 'FP16', 'FP32', 'FP64' or 'BYTES'`,
    )
  })

  it('names a wrong value without its syntax hiding it, and a comma too many', () => {
    expect(refused(one('"shape":[2],"datatype":"FP32","data":[1,x]')).message).toContain(
      'JSON Parse error: Invalid value.',
    )
    expect(refused(one('"shape":[3],"datatype":"INT8","data":[1,2,')).code).toBe('invalid_argument')
  })

  it("checks parameters and keeps the protocol's own from the model", () => {
    const tail = one('"shape":[1],"datatype":"BOOL","data":[true]').slice(1)
    const call = decode(`{"parameters":{"binary_data_output":true,"s":"x","b":false},${tail}`)
    expect(call.request.parameters).toEqual({ s: 'x', b: false })
    expect(call.outputs).toEqual({ isBinary: true })
    for (const parameters of [
      '"priority":-1',
      '"timeout":"x"',
      '"triton_x":1',
      '"binary_data_output":1',
      '"n":36893488147419103232',
    ]) {
      expect(refused(`{"parameters":{${parameters}},${tail}`).code).toBe('invalid_argument')
    }
    expect(decode(`{"id":null,"parameters":null,"outputs":null,${tail}`).request).toEqual({
      model,
      inputs: [{ name: 'X', datatype: 'BOOL', shape: [1], data: Uint8Array.of(1) }],
    })
  })

  it('says that extensions are not there', () => {
    const tail = one('"shape":[1],"datatype":"BOOL","parameters":{"shared_memory_region":"r"}')
    expect(refused(tail).code).toBe('unimplemented')
    expect(refused('{"outputs":[{"name":"O","parameters":{"shared_memory_region":"r"}}]}').code).toBe('unimplemented')
  })

  it('reads how many classes of an output are wanted', () => {
    const classes = (value: string) =>
      `{"outputs":[{"name":"O","parameters":{"classification":${value}}}],${one('"shape":[1],"datatype":"BOOL","data":[true]').slice(1)}`
    expect(decode(classes('2')).request).toMatchObject({ outputs: ['O'], classes: new Map([['O', 2]]) })
    for (const value of ['0', '-1', '1.5', '"2"', 'true']) {
      expect(refused(classes(value)).message).toContain(`'classification' parameter, expected an integer above 0`)
    }
  })

  it('checks the types of parameters that the protocol knows', () => {
    const parameters = (text: string) =>
      `{"parameters":{${text}},${one('"shape":[1],"datatype":"BOOL","data":[true]').slice(1)}`
    expect(decode(parameters('"sequence_id":"a","sequence_start":true,"sequence_end":false')).request).toBeDefined()
    for (const text of ['"sequence_id":-1', '"sequence_id":true', '"sequence_start":1', '"sequence_end":"x"']) {
      expect(refused(parameters(text)).message).toContain('invalid value type for')
    }
  })
})

describe('encodeV2Response as JSON', () => {
  it("writes keys in Triton's order, data flat, and integral floats as floats", () => {
    expect(
      respond(
        [
          tensor('Y', 'FP32', [1, 3], Float32Array.of(1, 0.1, NaN)),
          tensor('Z', 'INT64', [], BigInt64Array.of(2n ** 60n)),
        ],
        {
          id: 'i',
          parameters: { a: 1, b: 'x', c: true },
        },
      ),
    ).toBe(
      '{"id":"i","model_name":"m","model_version":"1","parameters":{"a":1,"b":"x","c":true},"outputs":[' +
        '{"name":"Y","datatype":"FP32","shape":[1,3],"data":[1.0,0.1,NaN]},' +
        '{"name":"Z","datatype":"INT64","shape":[],"data":[1152921504606846976]}]}',
    )
  })

  it('writes doubles shortest and as floats', () => {
    const data = Float64Array.of(1, -0, 0.1, 1e21, 1e-7, 123456789012345680000, Infinity)
    expect(respond([tensor('Y', 'FP64', [7], data)])).toContain(
      '[1.0,-0.0,0.1,1e+21,1e-7,123456789012345680000.0,Infinity]',
    )
  })

  it('escapes strings, and refuses bytes that are no text', () => {
    const texts = ['a"b\\c\n', 'é😀', '\0', ''].map(bytes)
    expect(JSON.parse(respond([tensor('é"', 'BYTES', [4], texts)]))).toMatchObject({
      outputs: [{ name: 'é"', data: ['a"b\\c\n', 'é😀', '\0', ''] }],
    })
    const { code, message } = refusal(() => respond([tensor('Y', 'BYTES', [1], [Uint8Array.of(0xff)])]))
    expect(code).toBe('invalid_argument')
    expect(message).toContain('binary_data')
  })

  it('refuses half precision', () => {
    expect(refusal(() => respond([tensor('Y', 'FP16', [1], Uint16Array.of(1))]))).toEqual({
      code: 'invalid_argument',
      message: 'sending FP16 data via JSON is not supported. Please use the binary data format for output Y',
    })
  })
})

describe('decodeV2Response', () => {
  it('takes the nulls of KServe and names broken outputs', () => {
    const text = `{"model_name":"e","model_version":null,"id":"u","parameters":null,"outputs":[
      {"name":"o","shape":[1],"datatype":"FP32","parameters":null,"data":[1.0]}]}`
    expect(decodeV2Response(bytes(text))).toEqual({
      id: 'u',
      model: { name: 'e', version: '' },
      outputs: [{ name: 'o', datatype: 'FP32', shape: [1], data: Float32Array.of(1) }],
    })
    expect(
      refusal(() => decodeV2Response(bytes('{"outputs":[{"name":"o","shape":[1],"datatype":"FP32","data":[]}]}')))
        .message,
    ).toContain(`output 'o'`)
    expect(refusal(() => decodeV2Response(bytes('{"error":"x"}'))).message).toContain(`'outputs' is missing`)
  })
})
