import { readFileSync } from 'node:fs'
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest'
import { createClient, InferenceError, type InferResult } from '../../src/client/index.ts'
import { failing, gated, identity, simple, text, words } from '../grpc/models.ts'
import { startServer, type Harness } from '../grpc/support.ts'

const gate = gated()
let harness: Harness
beforeAll(async () => {
  harness = await startServer({ simple, identity, failing, words, gated: gate })
})
afterAll(() => harness.close())

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

function connect(options: Parameters<typeof createClient>[1] = {}) {
  const client = createClient(`grpc://127.0.0.1:${harness.port}`, options)
  closers.push(() => client.close())
  return client
}

/** The error of a call that must fail. */
async function failure(answer: Promise<unknown>): Promise<InferenceError> {
  const [result] = await Promise.allSettled([answer])
  if (result.status === 'fulfilled') throw new Error('expected an error')
  expect(result.reason).toBeInstanceOf(InferenceError)
  return InferenceError.from(result.reason)
}

async function collect(results: AsyncIterable<InferResult>): Promise<InferResult[]> {
  const collected: InferResult[] = []
  for await (const result of results) collected.push(result)
  return collected
}

const numbers = Array.from({ length: 16 }, (_, index) => index)
const sum = { INPUT0: numbers, INPUT1: numbers }

describe('a client over gRPC', () => {
  it('takes datatypes and shapes from the metadata and answers typed arrays', async () => {
    const { outputs, response } = await connect().infer('simple', sum, { id: 'q' })
    expect(outputs['OUTPUT0']?.data).toEqual(Int32Array.from(numbers, (value) => value * 2))
    expect(outputs['OUTPUT0']?.shape).toEqual([1, 16])
    expect(response.id).toBe('q')
    expect(response.model).toEqual({ name: 'simple', version: '1' })
  })

  it('sends outputs, parameters and version', async () => {
    const client = connect()
    const { outputs } = await client.infer('simple', sum, { version: '1', outputs: ['OUTPUT1'] })
    expect(Object.keys(outputs)).toEqual(['OUTPUT1'])
    const echoed = await client.infer('identity', { x: text('x', 'ü') }, { parameters: { echo: true, top: 3 } })
    expect(echoed.outputs['x']?.data).toEqual([new Uint8Array(Buffer.from('ü'))])
    expect(Buffer.from(echoed.outputs['echo']?.data[0] as Uint8Array).toString()).toContain('"top":3') // one BYTES element
  })

  it.each([
    ['FP16', Uint16Array.of(1, 2)],
    ['BF16', Uint16Array.of(1, 2)],
    ['INT64', BigInt64Array.of(-(2n ** 63n), 5n)],
    ['BOOL', Uint8Array.of(1, 0)],
    ['FP64', Float64Array.of(0.1, NaN)],
  ] as const)('carries %s', async (datatype, data) => {
    const { outputs } = await connect().infer('identity', { x: { datatype, shape: [2], data } })
    expect(outputs['x']).toMatchObject({ datatype, shape: [2], data })
  })

  it('takes answers larger than the 4 MiB that gRPC clients take by default', async () => {
    const data = new Float32Array(2 ** 21).fill(0.5)
    const { outputs } = await connect().infer('identity', { x: { shape: [data.length], data } })
    expect(outputs['x']?.data.length).toBe(data.length)
  })

  it('asks for liveness, readiness and metadata', async () => {
    const client = connect()
    expect(await client.isLive()).toBe(true)
    expect(await client.isReady()).toBe(true)
    expect(await client.isModelReady('simple')).toBe(true)
    expect(await client.isModelReady('simple', '2')).toBe(false)
    expect(await client.isModelReady('nobody')).toBe(false)
    expect(await client.serverMetadata()).toMatchObject({ name: 'servable', version: '0.0.0' })
    expect(await client.modelMetadata('simple')).toMatchObject({
      name: 'simple',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] },
        { name: 'INPUT1', datatype: 'INT32', shape: [-1, 16] },
      ],
    })
  })

  it("fails with the server's words and the code of its status", async () => {
    const client = connect()
    expect(await failure(client.infer('nobody', { x: [1] }))).toMatchObject({ code: 'not_found' })
    const input = { shape: [1, 16], data: new Int32Array(16) }
    const refused = await failure(client.infer('simple', { INPUT0: input }))
    expect(refused.code).toBe('invalid_argument')
    expect(refused.message).toContain('INPUT1')
    expect(await failure(client.infer('failing', { x: input }))).toMatchObject({ code: 'internal' })
  })

  it('cancels the call where its signal fires, up to the model', async () => {
    const cancel = new AbortController()
    const answer = failure(
      connect().infer('gated', { x: { shape: [1], data: Int32Array.of(1) } }, { signal: cancel.signal }),
    )
    const signal = await gate.started
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    cancel.abort()
    expect(await answer).toMatchObject({ code: 'cancelled' })
    await aborted
  })

  it('ends at the deadline', async () => {
    const waiting = connect().infer('gated', { x: { shape: [1], data: Int32Array.of(1) } }, { timeoutMs: 50 })
    expect(await failure(waiting)).toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringMatching(/no answer/) as string,
    })
  })

  it('ends running calls when it is closed, and takes none after', async () => {
    const client = connect({ retries: 0 })
    await client.isLive()
    const waiting = failure(client.infer('gated', { x: { shape: [1], data: Int32Array.of(1) } }))
    await client.isLive() // the call before is on its way
    client.close()
    expect(await waiting).toMatchObject({ code: 'unavailable' })
    expect(await failure(client.serverMetadata())).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/is closed/) as string,
    })
  })

  it('refuses headers that metadata cannot carry', async () => {
    const { code, message } = await failure(connect({ headers: { 'x-name': 'a\nb' } }).serverMetadata())
    expect(code).toBe('invalid_argument')
    expect(message).toContain('x-name')
  })
})

describe('where nobody listens', () => {
  it('says so, and is neither live nor ready', async () => {
    const client = createClient('grpc://127.0.0.1:1', { retries: 0 })
    closers.push(() => client.close())
    expect(await failure(client.serverMetadata())).toMatchObject({
      code: 'unavailable',
      message: 'cannot reach grpc://127.0.0.1:1: connection refused',
    })
    expect(await client.isLive()).toBe(false)
    expect(await client.isModelReady('iris')).toBe(false)
  })
})

describe('stream', () => {
  const prompt = { prompt: text('prompt', 'What is it') }
  const said = (result: InferResult) => Buffer.from(result.outputs['output']?.data[0] as Uint8Array).toString() // BYTES

  it('yields every response of one request', async () => {
    const results = await collect(connect().stream('words', prompt))
    expect(results.map(said)).toEqual(['What', 'is', 'it'])
  })

  it('yields the one response of a model that gives one', async () => {
    const results = await collect(connect().stream('simple', sum))
    expect(results.map(({ outputs }) => Object.keys(outputs))).toEqual([['OUTPUT0', 'OUTPUT1']])
  })

  it('throws the error of a request that is refused, with its code', async () => {
    expect(await failure(collect(connect().stream('nobody', prompt)))).toMatchObject({ code: 'not_found' })
  })

  it('cancels the call when the iteration ends early', async () => {
    const waiting = gated()
    await harness.add('waiting', waiting)
    const stream = connect().stream('waiting', { x: { shape: [1], data: Int32Array.of(1) } })
    const cancel = new AbortController()
    const cancelled = failure(
      collect(connect().stream('waiting', { x: { shape: [1], data: Int32Array.of(1) } }, { signal: cancel.signal })),
    )
    const signal = await waiting.started
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    cancel.abort()
    expect(await cancelled).toMatchObject({ code: 'cancelled' })
    await aborted
    await stream.return()
  })

  it('stops asking when the caller leaves the loop', async () => {
    const seen: string[] = []
    for await (const result of connect().stream('words', prompt)) {
      seen.push(said(result))
      break
    }
    expect(seen).toEqual(['What'])
  })
})

describe('addresses', () => {
  it.each([
    ['grpc://localhost', 'no port'],
    ['grpc://localhost:8081/path', 'a path'],
    ['grpc://:8081', 'no host'],
    ['grpc://user@localhost:8081', 'a user'],
  ])('refuses %s: %s', (url) => {
    expect(() => createClient(url)).toThrow(`'${url}' is no address of a gRPC server`)
  })

  it('refuses HTTP for a gRPC protocol', () => {
    expect(() => createClient('http://localhost:8081', { protocol: 'grpc-v2' })).toThrow('expected grpc://host:port')
  })

  it.each(['grpc://localhost:8081', 'grpc://[::1]:8081/', 'GRPCS://model.example.org', 'grpcs://h:443'])(
    'takes %s',
    (url) => {
      closers.push(() => createClient(url).close())
    },
  )

  it('takes an address without a scheme where the protocol tells', async () => {
    const client = createClient(`127.0.0.1:${harness.port}`, { protocol: 'grpc-v2' })
    closers.push(() => client.close())
    expect(await client.isLive()).toBe(true)
  })
})

it('loads grpc-js for gRPC only', () => {
  const loads = /^import (?!type)[^\n]*'@grpc\/grpc-js'/m
  for (const file of [
    'client/index',
    'client/grpc-connection',
    'codec/grpc-status',
    'client/grpc-v1',
    'client/grpc-v2',
  ]) {
    expect(readFileSync(new URL(`../../src/${file}.js`, import.meta.url), 'utf8')).not.toMatch(loads)
  }
})
