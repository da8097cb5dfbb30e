/** OpenAI's routes over models that answer for themselves. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import type { RequestContext } from '../../src/core/inference.ts'
import type { Model } from '../../src/core/model.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { createRestApp } from '../../src/rest/app.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { open } from './socket.ts'

type Forward = (call: Request, context: RequestContext) => Promise<Response>

const repository = new ModelRepository()
const metrics = new Metrics({ version: '0', models: () => repository.list() })
const app = createRestApp({
  dataPlane: new DataPlane(repository, [metrics]),
  metrics,
  log: silentLog,
  version: '0',
})

function model(forward?: Forward): Model {
  return {
    metadata: {
      platform: 'test',
      inputs: [],
      outputs: [],
      ...(forward === undefined ? {} : { protocols: ['openai'] }),
    },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 1,
    predict: async () => [],
    close: async () => undefined,
    ...(forward === undefined ? {} : { forward }),
  }
}

async function add(name: string, forward?: Forward): Promise<void> {
  const load = async () => ({ model: schedule(model(forward), { name, maxQueueSize: 10 }), hooks: [] })
  await repository.load({ ref: { name, version: '1' }, runtime: 'test', load })
}

const event = (text: string) => `data: {"choices":[{"delta":{"content":"${text}"}}]}\n\n`
const sse = (body: ReadableStream<Uint8Array> | string) =>
  new Response(body, { headers: { 'content-type': 'text/event-stream' } })

/** Gives what a test puts into it, no faster than it is read. */
function source(): {
  readonly stream: ReadableStream<Uint8Array>
  readonly give: (text: string) => void
  readonly fail: () => void
  readonly cancelled: Promise<unknown>
} {
  const parts: { controller?: ReadableStreamDefaultController<Uint8Array>; cancel: (reason: unknown) => void } = {
    cancel: () => undefined,
  }
  const cancelled = new Promise<unknown>((resolve) => (parts.cancel = resolve))
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (parts.controller = controller),
    cancel: (reason) => parts.cancel(reason),
  })
  return {
    stream,
    give: (text) => parts.controller?.enqueue(Buffer.from(text)),
    fail: () => parts.controller?.error(new Error('cut')),
    cancelled,
  }
}

let flood: { pulled: number; cancelled: boolean } = { pulled: 0, cancelled: false }

beforeAll(async () => {
  await add('plain')
  await add('echo', async (call, { protocol }) =>
    Response.json(
      {
        path: call.url,
        body: await call.text(),
        type: call.headers.get('content-type'),
        protocol,
        usage: { prompt_tokens: 5, completion_tokens: 7 },
      },
      { headers: { 'x-own': 'yes', connection: 'upgrade' } },
    ),
  )
  await add('busy', async () =>
    Response.json({ error: { message: 'slow down' } }, { status: 429, headers: { 'retry-after': '7' } }),
  )
  await add('tokens', async () =>
    sse(
      `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n${event('a')}${event('b')}${event('c')}data: [DONE]\n\n`,
    ),
  )
  await add('flood', async () => {
    flood = { pulled: 0, cancelled: false }
    const chunk = Buffer.from(event('x'.repeat(64 * 1024)))
    return sse(
      new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            flood.pulled += 1
            controller.enqueue(chunk)
          },
          cancel: () => void (flood.cancelled = true),
        },
        { highWaterMark: 0 },
      ),
    )
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(() => app.close())

const port = () => (app.server.address() as AddressInfo).port // it listens on a port

const ask = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url: path, headers, payload: typeof body === 'string' ? body : JSON.stringify(body) })

async function metric(name: string, labels: string): Promise<string | undefined> {
  const { text } = await metrics.expose()
  return text.split('\n').find((line) => line.startsWith(`${name}{`) && line.includes(labels))
}

describe('a request of an OpenAI client', () => {
  it.each(['/openai/v1/chat/completions', '/v1/chat/completions'])(
    'reaches its model as it came by %s',
    async (path) => {
      const body = '{"n":1.0, "model":"echo" }'
      const answer = await ask(`${path}?v=1`, body, { 'content-type': 'application/json; x=1', 'x-request-id': 'r' })
      expect(answer.statusCode).toBe(200)
      expect(answer.json()).toMatchObject({
        path: 'http://localhost/v1/chat/completions?v=1',
        body,
        type: 'application/json; x=1',
        protocol: 'openai',
      })
      expect(answer.headers).toMatchObject({ 'x-own': 'yes', 'x-request-id': 'r', 'content-type': 'application/json' })
      expect(answer.headers.connection).not.toBe('upgrade')
    },
  )

  it('counts its tokens', async () => {
    await ask('/v1/completions', { model: 'echo' })
    expect(await metric('servable_prompt_tokens_total', 'model="echo"')).toMatch(/\d*[05]$/)
    expect(await metric('servable_generation_tokens_total', 'model="echo"')).toBeDefined()
    expect(await metric('servable_requests_total', 'model="echo",version="1",protocol="openai"')).toMatch(/code="ok"/)
  })

  it.each([
    ['/v1/embeddings', '{"model":"nope"}', 404, 'model_not_found', 'The model `nope` does not exist.'],
    ['/v1/rerank', '{', 400, '400', /offset/],
    ['/v1/score', '{}', 400, '400', /'model' must name one/],
    ['/v1/responses', '{"model":"plain"}', 400, '400', /takes no OpenAI requests.*\/v2\/models\/plain\/infer/],
  ])('is refused in the shape of its protocol: %s %s', async (path, body, status, code, message) => {
    const answer = await ask(path, body)
    expect(answer.statusCode).toBe(status)
    const text = expect.any(String) as string
    expect(answer.json()).toEqual({
      error: { message: text, type: text, param: status === 404 ? 'model' : null, code },
    })
    expect(answer.json<{ error: { message: string } }>().error.message).toMatch(message)
  })

  it('gets errors of the model as they are, and they count', async () => {
    const answer = await ask('/v1/completions', { model: 'busy' })
    expect(answer.statusCode).toBe(429)
    expect(answer.headers['retry-after']).toBe('7')
    expect(answer.json()).toEqual({ error: { message: 'slow down' } })
    expect(await metric('servable_requests_total', 'model="busy"')).toMatch(/code="resource_exhausted"\} 1$/)
  })

  it('must be a POST', async () => {
    expect((await app.inject('/v1/chat/completions')).statusCode).toBe(405)
    expect((await app.inject('/openai/v1/chat/completions')).json()).toMatchObject({ error: { code: '405' } })
  })

  it('by a path that is not there is refused in the shape of its protocol', async () => {
    const answer = await ask('/openai/v1/nothing', {})
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toMatchObject({ error: { message: 'Not Found', code: '404' } })
    expect((await ask('/v2/nothing', {})).json()).toEqual({ error: 'Not Found' })
  })
})

describe('a stream', () => {
  it('comes event by event, and is measured', async () => {
    const answer = await ask('/v1/chat/completions', { model: 'tokens', stream: true })
    expect(answer.headers['content-type']).toBe('text/event-stream')
    expect(answer.body.match(/data: /g)).toHaveLength(5)
    expect(await metric('servable_time_to_first_token_seconds_count', 'model="tokens"')).toMatch(/ 1$/)
    expect(await metric('servable_inter_token_latency_seconds_count', 'model="tokens"')).toMatch(/ 2$/)
    expect(await metric('servable_generation_tokens_total', 'model="tokens"')).toMatch(/ 3$/)
  })

  it('is passed on at once, and whole events only', async () => {
    const { stream, give } = source()
    await add('slow', async () => sse(stream))
    const response = await fetch(`http://127.0.0.1:${port()}/v1/completions`, {
      method: 'POST',
      body: '{"model":"slow"}',
    })
    const reader = response.body?.getReader()
    give(`${event('a')}data: {"ha`)
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(event('a'))
    give('lf":1}\n\n')
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: {"half":1}\n\n')
    await reader?.cancel()
  })

  it('that is cut ends with an error as its last event', async () => {
    const { stream, give, fail } = source()
    await add('cut', async () => sse(stream))
    give(`${event('a')}data: {"ha`)
    const response = await fetch(`http://127.0.0.1:${port()}/v1/completions`, {
      method: 'POST',
      body: '{"model":"cut"}',
    })
    const reader = response.body?.getReader()
    await reader?.read()
    fail()
    const last = Buffer.from((await reader?.read())?.value ?? []).toString()
    expect(last).toBe(
      'data: {"error":{"message":"internal error","type":"server_error","param":null,"code":"500"}}\n\n',
    )
    expect((await reader?.read())?.done).toBe(true)
  })

  it('ends at its deadline with an error', async () => {
    const { stream, give, cancelled } = source()
    await add('late', async () => sse(stream))
    give(event('a'))
    const headers = { 'x-request-timeout': '200ms' }
    const url = `http://127.0.0.1:${port()}/v1/completions`
    const response = await fetch(url, { method: 'POST', body: '{"model":"late"}', headers })
    expect(await response.text()).toMatch(
      /^data: .*\n\ndata: \{"error":\{"message":"the deadline.*"code":"504"\}\}\n\n$/,
    )
    await cancelled
  })

  it('is cancelled when the caller leaves', async () => {
    const { stream, give, cancelled } = source()
    await add('left', async () => sse(stream))
    give(event('a'))
    const body = '{"model":"left"}'
    const socket = await open(port())
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await once(socket, 'data')
    socket.destroy()
    expect(await cancelled).toMatchObject({ code: 'cancelled' })
  })

  it('waits for a caller who does not read', async () => {
    const body = '{"model":"flood","stream":true}'
    const socket: Socket = await open(port())
    socket.pause()
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    // The buffers of both sockets fill, and then nothing more is asked for.
    let before = -1
    await expect
      .poll(
        () => {
          const isStill = flood.pulled > 0 && flood.pulled === before
          before = flood.pulled
          return isStill
        },
        { timeout: 10_000, interval: 200 },
      )
      .toBe(true)
    expect(flood.pulled).toBeLessThan(1000)
    socket.destroy()
    await once(socket, 'close')
    await expect.poll(() => flood.cancelled).toBe(true)
  })
})

describe('the list of models', () => {
  it('is read by clients of OpenAI and of KServe', async () => {
    const answer = (await app.inject('/v1/models')).json<{ data: { id: string }[]; models: string[]; object: string }>()
    expect(answer.object).toBe('list')
    expect(answer.models).toContain('plain')
    expect(answer.data.map(({ id }) => id)).not.toContain('plain')
    expect(answer.data).toContainEqual({
      id: 'echo',
      object: 'model',
      created: expect.any(Number) as number,
      owned_by: 'servable',
    })
    expect((await app.inject('/openai/v1/models')).json()).toEqual({ object: 'list', data: answer.data })
  })

  it('tells of one model', async () => {
    expect((await app.inject('/v1/models/echo')).json()).toMatchObject({
      id: 'echo',
      object: 'model',
      name: 'echo',
      ready: true,
    })
    expect((await app.inject('/v1/models/plain')).json()).not.toHaveProperty('id')
    expect((await app.inject('/openai/v1/models/echo')).json()).toMatchObject({ id: 'echo', object: 'model' })
    const unknown = await app.inject('/openai/v1/models/plain')
    expect([unknown.statusCode, unknown.json<{ error: { code: string } }>().error.code]).toEqual([
      404,
      'model_not_found',
    ])
  })
})
