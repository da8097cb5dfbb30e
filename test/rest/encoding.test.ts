/** Compressed bodies both ways, and binary tensors out. */
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { encodingFor } from '../../src/rest/accept-encoding.ts'
import { createTestApp } from './models.ts'

const app = createTestApp({ limits: { maxRequestBytes: 300_000 } })
afterAll(() => app.close())

const url = '/v2/models/identity_fp32/infer'
const inferOf = (count: number, rest = '') =>
  `{"inputs":[{"name":"IN","datatype":"FP32","shape":[${count}],"data":[${Array(count).fill('1.5').join()}]}]${rest}}`
const post = (payload: string | Buffer, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, payload, headers })

describe('compressed requests', () => {
  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['identity', (text: string) => Buffer.from(text)],
  ])('reads %s', async (encoding, compress) => {
    const answer = await post(compress(inferOf(100)), { 'content-encoding': encoding })
    expect(answer.statusCode).toBe(200)
  })

  it('C21 counts the header length in uncompressed bytes', async () => {
    const json = JSON.stringify({
      inputs: [{ name: 'IN', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }],
    })
    const tensor = Buffer.from(Float32Array.of(1, 2).buffer)
    const answer = await post(gzipSync(Buffer.concat([Buffer.from(json), tensor])), {
      'content-encoding': 'gzip',
      'inference-header-content-length': String(json.length),
    })
    expect(answer.json()).toMatchObject({ outputs: [{ name: 'OUT', data: [1, 2] }] })
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateRawSync],
  ])('refuses a %s bomb by its inflated size', async (encoding, compress) => {
    const bomb = compress(Buffer.alloc(50_000_000))
    expect(bomb.length).toBeLessThan(300_000)
    const answer = await post(bomb, { 'content-encoding': encoding })
    expect(answer.statusCode).toBe(413)
    expect(answer.json<{ error: string }>().error).toContain('max-request-bytes')
  })

  it('refuses gzip that is none', async () => {
    const answer = await post('nonsense', { 'content-encoding': 'gzip' })
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ error: string }>().error).toContain('not valid gzip')
  })
})

describe('compressed answers', () => {
  it.each([
    ['gzip', 100, gunzipSync],
    ['gzip', 20_000, gunzipSync],
    ['deflate', 100, inflateSync],
    ['deflate', 20_000, inflateSync],
  ])('B37 %s of %i elements', async (encoding, count, inflate) => {
    const answer = await post(inferOf(count), { 'accept-encoding': encoding })
    expect(answer.headers).toMatchObject({
      'content-encoding': encoding,
      vary: 'Accept-Encoding',
      'content-length': String(answer.rawPayload.length),
    })
    const inflated = JSON.parse(inflate(answer.rawPayload).toString()) as object
    expect(inflated).toMatchObject({ outputs: [{ shape: [count] }] })
  })

  it('leaves a short answer as it is', async () => {
    const answer = await post(inferOf(1), { 'accept-encoding': 'gzip' })
    expect(answer.headers['content-encoding']).toBeUndefined()
    expect(answer.json()).toMatchObject({ outputs: [{ data: [1.5] }] })
  })

  it.each([
    ['gzip, deflate', 'gzip'],
    ['deflate, gzip;q=0.5', 'deflate'],
    ['gzip;q=0, deflate', 'deflate'],
    ['GZIP', 'gzip'],
    ['br, x-gzip', 'gzip'],
    ['*', 'gzip'],
    ['*;q=0', undefined],
    ['gzip;q=0.2, identity;q=0.9', undefined],
    ['gzip;q=nonsense', 'gzip'],
    ['br', undefined],
    ['', undefined],
    ['identity', undefined],
  ])('takes %j as %s', (header, encoding) => {
    expect(encodingFor(header)).toBe(encoding)
  })
})

describe('binary tensors out', () => {
  const split = (answer: Awaited<ReturnType<typeof post>>) => {
    const length = Number(answer.headers['inference-header-content-length'])
    const json = JSON.parse(answer.rawPayload.subarray(0, length).toString()) as object
    return { json, tail: answer.rawPayload.subarray(length) }
  }
  const one = { name: 'OUT', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }

  it('C2 all of them, where the request says so', async () => {
    const answer = await post(inferOf(2, ',"parameters":{"binary_data_output":true}'))
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(answer.rawPayload.length),
    })
    const { json, tail } = split(answer)
    expect(json).toMatchObject({ outputs: [one] })
    expect(tail).toEqual(Buffer.from(Float32Array.of(1.5, 1.5).buffer))
  })

  it('C3 one of them, where the output says so', async () => {
    const counting = JSON.stringify(Array.from({ length: 16 }, (_, index) => index))
    const inputs = ['INPUT0', 'INPUT1'].map(
      (name) => `{"name":"${name}","datatype":"INT32","shape":[1,16],"data":${counting}}`,
    )
    const outputs = '[{"name":"OUTPUT0","parameters":{"binary_data":true}},{"name":"OUTPUT1"}]'
    const answer = await app.inject({
      method: 'POST',
      url: '/v2/models/simple/infer',
      payload: `{"inputs":[${inputs.join()}],"outputs":${outputs}}`,
    })
    const { json, tail } = split(answer)
    expect(tail.length).toBe(64)
    expect(json).toMatchObject({
      outputs: [
        { name: 'OUTPUT0', parameters: { binary_data_size: 64 } },
        { name: 'OUTPUT1', data: Array(16).fill(0) },
      ],
    })
  })

  it('compressed too, with the header length of the uncompressed bytes', async () => {
    const request = inferOf(5000, ',"parameters":{"binary_data_output":true}')
    const answer = await post(request, { 'accept-encoding': 'gzip' })
    const inflated = gunzipSync(answer.rawPayload)
    const length = Number(answer.headers['inference-header-content-length'])
    expect(inflated.length - length).toBe(20_000)
  })

  it.each(['FP16', 'BF16'])('C17 carries %s as it is', async (datatype) => {
    const json = JSON.stringify({
      inputs: [{ name: 'IN', datatype, shape: [1], parameters: { binary_data_size: 2 } }],
      parameters: { binary_data_output: true },
    })
    const answer = await app.inject({
      method: 'POST',
      url: `/v2/models/identity_${datatype.toLowerCase()}/infer`,
      payload: Buffer.concat([Buffer.from(json), Buffer.of(0x00, 0x3c)]),
      headers: { 'inference-header-content-length': String(json.length) },
    })
    expect(split(answer).tail).toEqual(Buffer.of(0x00, 0x3c))
  })

  it.each([16 * 1024, 16 * 1024 + 1, 200_000])(
    'reads %i bytes of tensor behind a header of any length',
    async (bytes) => {
      const count = Math.floor(bytes / 4)
      const values = Float32Array.from({ length: count }, (_, index) => index)
      for (let padding = 0; padding < 8; padding += 1) {
        const json = JSON.stringify({
          id: 'x'.repeat(padding + 1),
          inputs: [{ name: 'IN', datatype: 'FP32', shape: [count], parameters: { binary_data_size: count * 4 } }],
          parameters: { binary_data_output: true },
        })
        const answer = await post(Buffer.concat([Buffer.from(json), Buffer.from(values.buffer)]), {
          'inference-header-content-length': String(json.length),
        })
        expect(split(answer).tail.equals(Buffer.from(values.buffer))).toBe(true)
      }
    },
  )
})
