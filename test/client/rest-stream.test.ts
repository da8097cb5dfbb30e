/** `client.stream` over REST: against this server, and against what Triton and MLServer answer. */
import { once } from 'node:events'
import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient, InferenceError, type Client, type InferResult } from '../../src/client/index.ts'
import { readEvents } from '../../src/client/server-events.ts'
import { silentLog } from '../../src/core/log.ts'
import type { Model } from '../../src/core/model.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { createRestApp } from '../../src/rest/app.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { gated, simple, text, words } from '../grpc/models.ts'
import { fakeServer, type Call, type Reaction } from './fake-server.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

function connect(url: string): Client {
  const client = createClient(url, { retries: 0 })
  closers.push(() => client.close())
  return client
}

async function collect(results: AsyncIterable<InferResult>): Promise<InferResult[]> {
  const collected: InferResult[] = []
  for await (const result of results) collected.push(result)
  return collected
}

async function failure(results: AsyncIterable<InferResult>): Promise<InferenceError> {
  const [outcome] = await Promise.allSettled([collect(results)])
  if (outcome.status === 'fulfilled') throw new Error('expected an error')
  return InferenceError.from(outcome.reason)
}

const said = ({ outputs }: InferResult, name = 'output') => Buffer.from(outputs[name]?.data[0] as Uint8Array).toString() // BYTES

describe('a stream from this server', () => {
  const serve = async (models: Readonly<Record<string, Model>>): Promise<string> => {
    const repository = new ModelRepository()
    for (const [name, model] of Object.entries(models)) {
      await repository.load({
        ref: { name, version: '1' },
        runtime: 'test',
        load: async () => ({ model: schedule(model, { name, maxQueueSize: 10 }), hooks: [] }),
      })
    }
    const metrics = { expose: async () => ({ contentType: '', text: '' }), countRefusal: () => undefined }
    const app = createRestApp({ dataPlane: new DataPlane(repository), metrics, log: silentLog, version: '0' })
    closers.push(() => app.close())
    return app.listen({ host: '127.0.0.1', port: 0 })
  }
  const prompt = { prompt: text('prompt', 'What is it') }

  it('yields every response of one request', async () => {
    const client = connect(await serve({ words }))
    const results = await collect(client.stream('words', prompt, { id: 'q' }))
    expect(results.map((result) => said(result))).toEqual(['What', 'is', 'it'])
    expect(results.map(({ response }) => response.id)).toEqual(['q', 'q', 'q'])
    expect(results[0]?.response.model).toEqual({ name: 'words', version: '1' })
  })

  it('yields the one response of a model that gives one', async () => {
    const client = connect(await serve({ simple: await simple.open(new AbortController().signal) }))
    const numbers = Array.from({ length: 16 }, (_, index) => index)
    const results = await collect(
      client.stream('simple', { INPUT0: numbers, INPUT1: numbers }, { outputs: ['OUTPUT0'] }),
    )
    expect(results.map(({ outputs }) => outputs)).toEqual([
      {
        OUTPUT0: expect.objectContaining({
          data: Int32Array.from(numbers, (value) => value * 2),
          shape: [1, 16],
        }) as unknown,
      },
    ])
  })

  it('throws the error of a request that is refused, and one that comes amidst the responses', async () => {
    const broken: Model = {
      ...words,
      async *stream({ model }) {
        yield { model: { name: model.name, version: '1' }, outputs: [text('output', 'a')] }
        throw new InferenceError('resource_exhausted', 'too long')
      },
    }
    const client = connect(await serve({ broken }))
    expect(await failure(client.stream('nobody', prompt))).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('nobody') as string,
    })
    const stream = client.stream('broken', prompt)
    expect((await stream.next()).value).toBeDefined()
    await expect(stream.next()).rejects.toMatchObject({ message: 'too long' })
  })

  it('cancels the call when the caller leaves the loop or its signal fires', async () => {
    const waiting = gated()
    const cancel = new AbortController()
    const client = connect(await serve({ waiting, words }))
    for await (const result of client.stream('words', prompt)) {
      expect(said(result)).toBe('What')
      break
    }
    const x = { shape: [1], data: Int32Array.of(1) }
    const cancelled = failure(client.stream('waiting', { x }, { signal: cancel.signal }))
    const signal = await waiting.started
    const aborted = once(signal, 'abort')
    cancel.abort()
    expect(await cancelled).toMatchObject({ code: 'cancelled' })
    await aborted
  })
})

const events = (...data: readonly unknown[]) => data.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')
const sse = { 'content-type': 'text/event-stream; charset=utf-8' }

describe('a stream from Triton', () => {
  const metadata = {
    name: 'llm',
    versions: ['1'],
    platform: 'vllm',
    inputs: [
      { name: 'text_input', datatype: 'BYTES', shape: [1] },
      { name: 'seed', datatype: 'UINT64', shape: [1] },
    ],
    outputs: [
      { name: 'text_output', datatype: 'BYTES', shape: [-1] },
      { name: 'logits', datatype: 'FP32', shape: [-1] },
      { name: 'token', datatype: 'INT64', shape: [1] },
    ],
  }
  const triton =
    (answer: Reaction) =>
    ({ path }: Call): Reaction => {
      if (path === '/v2/models/llm') return { body: metadata }
      return path === '/v2/models/llm/generate_stream' ? answer : { status: 404, body: { error: 'Not Found' } }
    }
  const start = async (answer: Reaction) => {
    const server = await fakeServer(triton(answer))
    closers.push(() => server.close())
    return { client: connect(server.url), server }
  }

  it('is asked by generate_stream, in the one form that Triton has', async () => {
    const { client, server } = await start({
      headers: sse,
      body: events(
        {
          id: '7',
          model_name: 'llm',
          model_version: '1',
          sequence_end: false,
          text_output: 'Hel',
          logits: [1, 2.5],
          token: 9007199254740993,
        },
        { id: '7', model_name: 'llm', model_version: '1', sequence_end: true, text_output: 'lo', logits: [], token: 2 },
      ).replace('9007199254740992', '9007199254740993'),
    })
    const options = { id: '7', parameters: { stream: true, temperature: 0.5 } }
    const results = await collect(client.stream('llm', { text_input: 'Hi', seed: [5n] }, options))
    expect(JSON.parse(server.calls.at(-1)?.body.toString() ?? '')).toEqual({
      id: '7',
      text_input: 'Hi',
      seed: 5,
      stream: true,
      temperature: 0.5,
    })
    expect(results.map((result) => said(result, 'text_output'))).toEqual(['Hel', 'lo'])
    expect(results[0]?.outputs['logits']).toMatchObject({ shape: [2], data: Float32Array.of(1, 2.5) })
    expect(results[0]?.outputs['token']?.data).toEqual(BigInt64Array.of(9007199254740993n))
    expect(results[1]?.outputs['logits']).toMatchObject({ shape: [0] })
    expect(results[1]?.response).toMatchObject({
      id: '7',
      model: { name: 'llm', version: '1' },
      parameters: { sequence_end: true },
    })
    await collect(client.stream('llm', { text_input: 'Hi', seed: [5n] }))
    expect(server.calls.map(({ path }) => path).filter((path) => path.includes('stream'))).toEqual([
      '/v2/models/llm/infer_stream',
      '/v2/models/llm/generate_stream',
      '/v2/models/llm/generate_stream',
    ])
  })

  it('throws an error that comes as an event, and one that comes as a status', async () => {
    const amidst = await start({ headers: sse, body: events({ text_output: 'a' }, { error: 'out of tokens' }) })
    const stream = amidst.client.stream('llm', { text_input: 'Hi', seed: [5n] })
    expect((await stream.next()).value).toBeDefined()
    await expect(stream.next()).rejects.toMatchObject({ code: 'internal', message: 'out of tokens' })
    const refused = await start({ status: 400, body: { error: 'missing input' } })
    expect(await failure(refused.client.stream('llm', { text_input: 'Hi', seed: [5n] }))).toMatchObject({
      code: 'invalid_argument',
      message: 'missing input',
    })
  })

  it('leaves out the outputs that nobody asked for', async () => {
    const { client } = await start({ headers: sse, body: events({ text_output: 'a', token: 1 }) })
    const [result] = await collect(client.stream('llm', { text_input: 'Hi', seed: [5n] }, { outputs: ['token'] }))
    expect(Object.keys(result?.outputs ?? {})).toEqual(['token'])
  })
})

describe('a stream from MLServer', () => {
  const response = (data: string) => ({
    model_name: 'text-model',
    id: 'a1',
    parameters: {},
    outputs: [{ name: 'output', shape: [1, 1], datatype: 'BYTES', parameters: { content_type: 'str' }, data: [data] }],
  })
  const input = { prompt: { datatype: 'BYTES', shape: [1], data: ['Hi'] } } as const

  it('is asked by infer_stream', async () => {
    const server = await fakeServer(({ path }) =>
      path === '/v2/models/text-model/infer_stream'
        ? { headers: sse, body: events(response('What'), response('is')) }
        : { status: 404 },
    )
    closers.push(() => server.close())
    const results = await collect(connect(server.url).stream('text-model', input))
    expect(results.map((result) => said(result))).toEqual(['What', 'is'])
    expect(server.calls.map(({ path }) => path)).toEqual(['/v2/models/text-model/infer_stream'])
  })

  it('is unavailable where the connection is cut amidst the responses', async () => {
    const server = await fakeServer(() => ({
      headers: { ...sse, 'content-length': '10000' },
      body: events(response('What')),
      isCut: true,
    }))
    closers.push(() => server.close())
    const stream = connect(server.url).stream('text-model', input)
    expect(said((await stream.next()).value as InferResult)).toBe('What') // the first one came whole
    await expect(stream.next()).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('a stream from a server that', () => {
  it('answers one response as plain JSON, yields it', async () => {
    const body = { model_name: 'm', outputs: [{ name: 'y', shape: [1], datatype: 'INT32', data: [1] }] }
    const server = await fakeServer(() => ({ headers: { 'content-type': 'application/json' }, body }))
    closers.push(() => server.close())
    const results = await collect(connect(server.url).stream('m', { x: { datatype: 'INT32', shape: [1], data: [1] } }))
    expect(results.map(({ outputs }) => outputs['y']?.data)).toEqual([Int32Array.of(1)])
  })

  it('has none, throws what the server says', async () => {
    const server = await fakeServer(() => ({ status: 404, body: { error: 'no such model' } }))
    closers.push(() => server.close())
    const x = { datatype: 'INT32', shape: [1], data: [1] } as const
    expect(await failure(connect(server.url).stream('m', { x }))).toMatchObject({
      code: 'not_found',
      message: 'no such model',
    })
  })

  it('writes events byte by byte, in every form of line break', async () => {
    let reply: ServerResponse | undefined
    const server = createHttpServer((request, response) => {
      request.resume()
      reply = response.writeHead(200, sse)
      const bytes = Buffer.from(
        ': hi\r\ndata: {"model_name":"m","outputs":[\rdata:]}\n\r\nevent: x\r\rdata: {"model_name":"ü",\r\ndata: "outputs":[]}\r\n\r\ndata: [DONE]\n\n',
      )
      let at = 0
      const write = (): void => {
        if (at === bytes.length) response.end()
        else response.write(bytes.subarray(at, (at += 1)), () => setImmediate(write))
      }
      write()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => server.close())
    const { port } = server.address() as AddressInfo // a TCP server has no other kind
    const x = { datatype: 'INT32', shape: [1], data: [1] } as const
    const results = await collect(connect(`http://127.0.0.1:${port}`).stream('m', { x }))
    expect(reply).toBeDefined()
    expect(results.map(({ response }) => response.model.name)).toEqual(['m', 'ü'])
  })
})

describe('readEvents', () => {
  const read = async (...chunks: readonly string[]) => {
    const found: string[] = []
    for await (const data of readEvents(bytesOf(chunks))) found.push(data)
    return found
  }
  async function* bytesOf(chunks: readonly string[]): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk))
  }

  it('joins lines and keeps all but the first space', async () => {
    expect(await read('data:  a\ndata:b\ndata\n\n', 'data: c\n', '\ndata:\n\n', ':\n\n')).toEqual([' a\nb', 'c', ''])
  })

  it('takes an event whose empty line is missing, but not half a line', async () => {
    expect(await read('data: a\n')).toEqual(['a'])
    expect(await read('data: a')).toEqual([])
  })
})
