/** V2 gRPC messages that pass: their names change, their tensors are read only where somebody looks. */
import { describe, expect, it } from 'vitest'
import {
  decodeGrpcInferRequest,
  decodeGrpcInferResponse,
  encodeGrpcInferRequest,
  encodeGrpcInferResponse,
  rawGrpcInferRequest,
  rawGrpcInferResponse,
  renamed,
} from '../../src/codec/index.ts'
import { tensor } from '../../src/core/tensor.ts'

const x = tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))
const request = {
  id: 'q',
  model: { name: 'here', version: '3' },
  inputs: [x],
  outputs: ['y'],
  parameters: { priority: 2, note: 'ü' },
}
const bytes = encodeGrpcInferRequest(request)

describe('a request that keeps its message', () => {
  it('tells everything that a decoded one does', () => {
    const raw = rawGrpcInferRequest(bytes)
    expect({ ...raw, inputs: raw.inputs.map((input) => ({ ...input })) }).toEqual(decodeGrpcInferRequest(bytes).request)
    expect(raw.raw).toBe(bytes)
  })

  it('reads no elements before somebody looks', () => {
    const cut = Buffer.from(bytes)
    cut.writeUInt8(15, cut.lastIndexOf(Buffer.of(0x3a, 16)) + 1) // a raw entry that is one byte too short for its shape
    const raw = rawGrpcInferRequest(cut.subarray(0, -1))
    expect(raw.inputs[0]?.shape).toEqual([2, 2])
    expect(() => raw.inputs[0]?.data).toThrow(/16|15/)
  })

  it('is left behind by a changed copy, with its elements still right', () => {
    const copy = { ...rawGrpcInferRequest(bytes), model: { name: 'there' } }
    expect(copy.raw).toBeUndefined()
    expect(copy.inputs[0]?.data).toEqual(x.data)
  })

  it('takes an id where it brings none', () => {
    const unnamed = encodeGrpcInferRequest({ ...request, id: '' })
    expect(rawGrpcInferRequest(unnamed, 'made').id).toBe('made')
  })

  it('refuses what no decoder takes', () => {
    expect(() => rawGrpcInferRequest(bytes.subarray(0, 20))).toThrow(/malformed ModelInferRequest/)
    const unknown = encodeGrpcInferRequest({ ...request, inputs: [{ ...x, datatype: 'FP31' as 'FP32' }] })
    expect(() => rawGrpcInferRequest(unknown)).toThrow(/unknown datatype 'FP31'/)
  })
})

describe('another name in a message', () => {
  const name = { model: { name: 'a much longer name than before', version: '' }, id: '' }

  it.each(['as libraries write it', 'with its fields in disorder'])('changes nothing else %s', (order) => {
    const head = 2 + 'here'.length
    const given = order.includes('disorder') ? Buffer.concat([bytes.subarray(head), bytes.subarray(0, head)]) : bytes
    const before = decodeGrpcInferRequest(given).request
    expect(decodeGrpcInferRequest(renamed(given, name)).request).toEqual({
      ...before,
      id: undefined,
      model: { name: name.model.name },
    })
  })
})

describe('a response that keeps its message', () => {
  const response = { id: 'q', model: { name: 'there', version: '1' }, outputs: [x], parameters: { a: true } }
  const own = { model: { name: 'here', version: '3' }, id: 'q' }

  it('passes as it is where its names are right already', () => {
    const message = encodeGrpcInferResponse({ ...response, ...own })
    expect(encodeGrpcInferResponse(rawGrpcInferResponse(message, own))).toBe(message)
  })

  it('is told under other names', () => {
    const raw = rawGrpcInferResponse(encodeGrpcInferResponse(response), own)
    expect(raw.model).toEqual(own.model)
    expect(decodeGrpcInferResponse(encodeGrpcInferResponse(raw))).toEqual({ ...response, ...own })
  })

  it('takes more parameters behind its own', () => {
    const raw = rawGrpcInferResponse(encodeGrpcInferResponse(response), own)
    const more = decodeGrpcInferResponse(encodeGrpcInferResponse(raw, { added: { a: false, last: true } }))
    expect(more.parameters).toEqual({ a: false, last: true })
    expect(more.outputs).toEqual([x])
  })
})
