/** OpenAI's protocol through a proxied model: from a client, by the server, to an upstream that may behave badly. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openAiUpstream } from './openai-upstream.ts'
import { floats, post, proxied } from './proxy-support.ts'

async function through(model: string, options: object = {}) {
  const upstream = await openAiUpstream()
  const { url, client } = await proxied(
    { profile: 'openai', upstreams: [upstream.url], model, ...options },
    { name: 'llm' },
  )
  return { upstream, url: url.http, client }
}

const stream = (url: string, body: object = {}) =>
  fetch(`${url}/v1/completions`, { method: 'POST', body: JSON.stringify({ model: 'llm', stream: true, ...body }) })

describe('an OpenAI request', () => {
  it('reaches the upstream as it came, with the name that the model has there', async () => {
    const { upstream, url } = await through('org/Model-7B', { auth: { bearer: 'secret' } })
    const body = '{"n": 1.50, "model":"llm", "prompt":"é"}'
    const response = await fetch(`${url}/openai/v1/completions`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer of-the-caller', cookie: 'a=b', 'x-request-id': 'r1' },
    })
    expect(await response.json()).toMatchObject({ choices: [{ text: 'é!' }] })
    const [seen] = upstream.seen
    expect(seen?.path).toBe('/v1/completions')
    expect(seen?.body).toBe('{"n": 1.50, "model":"org/Model-7B", "prompt":"é"}')
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer secret',
      'x-request-id': 'r1',
      'endpoint-load-metrics-format': 'TEXT',
    })
    expect(seen?.headers.cookie).toBeUndefined()
  })

  it('finds an upstream whose address ends with the prefix', async () => {
    const upstream = await openAiUpstream()
    const { url } = await proxied({ profile: 'openai', upstreams: [`${upstream.url}/v1/`] }, { name: 'llm' })
    expect((await post(`${url.http}/v1/embeddings`, { model: 'llm', input: 'x' })).status).toBe(200)
    expect(upstream.seen[0]?.path).toBe('/v1/embeddings')
  })

  it('is listed and measured', async () => {
    const { url } = await through('m')
    await (await stream(url)).text()
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] }
    expect(data.map(({ id }) => id)).toEqual(['llm'])
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toContain('servable_prompt_tokens_total{model="llm"} 2')
    expect(metrics).toContain('servable_generation_tokens_total{model="llm"} 3')
    expect(metrics).toContain('servable_time_to_first_token_seconds_count{model="llm"} 1')
    expect(metrics).toContain('servable_inter_token_latency_seconds_count{model="llm"} 2')
  })

  it.each([
    ['busy', 429, 'slow down'],
    ['wrong', 422, 'temperature must be positive'],
  ])("is told of the upstream's own error: %s", async (model, status, message) => {
    const { url } = await through(model, { retries: 0 })
    const answer = await post(`${url}/v1/chat/completions`, { model: 'llm' })
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({ error: { message } })
    expect(answer.headers.get('retry-after')).toBe(status === 429 ? '7' : null)
  })

  it('is told of an error that is no JSON as it came', async () => {
    const { url } = await through('page')
    const response = await fetch(`${url}/v1/completions`, { method: 'POST', body: '{"model":"llm"}' })
    expect([response.status, response.headers.get('content-type'), await response.text()]).toEqual([
      500,
      'text/html',
      '<h1>oh</h1>',
    ])
  })

  it('goes to another upstream where one refuses it or is not there', async () => {
    const [good, gone] = [await openAiUpstream(), 'http://127.0.0.1:9']
    const { url } = await proxied({ profile: 'openai', upstreams: [gone, good.url], model: 'm' }, { name: 'llm' })
    for (let count = 0; count < 4; count += 1) {
      expect((await post(`${url.http}/v1/completions`, { model: 'llm', prompt: 'a' })).status).toBe(200)
    }
  })

  it('whose answer breaks off is answered with an error in the shape of the protocol', async () => {
    const { url } = await through('hangup', { retries: 0 })
    const answer = await post(`${url}/v1/completions`, { model: 'llm' })
    expect(answer.status).toBeGreaterThanOrEqual(502)
    expect(answer.body).toMatchObject({ error: { message: expect.stringContaining('broke off') as string } })
  })

  it('that takes too long is answered with 504', async () => {
    const { url, upstream } = await through('silent', { timeout_ms: 200 })
    const broken = upstream.broken()
    const answer = await post(`${url}/v1/completions`, { model: 'llm' })
    expect([answer.status, (answer.body['error'] as { type: string }).type]).toEqual([504, 'timeout_error'])
    await broken
  })
})

describe('a stream', () => {
  it('that is cut ends with an error event', async () => {
    const { url } = await through('cut')
    const text = await (await stream(url)).text()
    expect(text).toMatch(/^data: \{"choices".*\n\ndata: \{"error":\{"message":".*broke off.*\}\}\n\n$/)
    expect(text).not.toContain('[DONE]')
  })

  it('is ended upstream when the caller leaves', async () => {
    const { url, upstream } = await through('endless')
    const broken = upstream.broken()
    const response = await stream(url)
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await broken
  })

  it('is held back by a caller who does not read', async () => {
    const { url, upstream } = await through('endless')
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined).pause()
    await once(socket, 'connect')
    const body = '{"model":"llm","stream":true}'
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    let before = -1
    const isStill = (): boolean => {
      const still = upstream.written > 0 && upstream.written === before
      before = upstream.written
      return still
    }
    await expect.poll(isStill, { timeout: 20_000, interval: 300 }).toBe(true)
    const broken = upstream.broken()
    socket.destroy()
    await broken
  })
})

describe('texts by V2', () => {
  it('are answered by generate as completions', async () => {
    const { url, upstream } = await through('m')
    const answer = await post(`${url}/v2/models/llm/generate`, { text_input: 'Hello', parameters: { max_tokens: 4 } })
    expect(answer.body).toMatchObject({
      text_output: 'Hello!',
      finish_reason: 'stop',
      prompt_tokens: 2,
      completion_tokens: 3,
    })
    expect(JSON.parse(upstream.seen[0]?.body ?? '')).toEqual({ model: 'm', prompt: 'Hello', max_tokens: 4 })
  })

  it('stream by generate_stream', async () => {
    const { url } = await through('m')
    const body = JSON.stringify({ text_input: 'Hello', stream: true })
    const response = await fetch(`${url}/v2/models/llm/generate_stream`, { method: 'POST', body })
    const events = (await response.text()).match(/(?<=^data: ).*$/gm)?.map((line) => JSON.parse(line) as object)
    expect(events?.map((event) => (event as { text_output: string }).text_output)).toEqual(['a', 'b', 'c', ''])
    expect(events?.at(-1)).toMatchObject({ finish_reason: 'stop', completion_tokens: 3 })
  })

  it('are answered several at once by infer, and by V1', async () => {
    const { url } = await through('m')
    const inputs = [{ name: 'text_input', datatype: 'BYTES', shape: [2], data: ['a', 'b'] }]
    const answer = await post(`${url}/v2/models/llm/infer`, { inputs })
    expect(answer.body['outputs']).toMatchObject([
      { name: 'text_output', datatype: 'BYTES', shape: [2], data: ['a!', 'b!'] },
    ])
  })

  it.each([
    ['busy', 503, 'slow down'],
    ['wrong', 400, 'temperature must be positive'],
    ['nonsense', 502, 'cannot be used'],
  ])('get errors in the words of the upstream: %s', async (model, status, message) => {
    const { url } = await through(model, { retries: 0 })
    const answer = await post(`${url}/v2/models/llm/generate`, { text_input: 'x' })
    expect([answer.status, answer.body['error']]).toEqual([status, expect.stringContaining(message)])
  })
})

describe('a launched server', () => {
  const script = `
    require('node:http').createServer((request, response) => {
      if (request.url === '/v2/models/half') response.end(JSON.stringify({ name: 'half', platform: 'x', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }] }))
      else if (request.method === 'GET') response.end('{}')
      else request.resume().on('end', () => {
        if (request.headers['x-die']) process.exit(1)
        response.end(JSON.stringify({ model_name: 'half', outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [process.pid] }] }))
      })
    }).listen(Number(process.argv[1]), '127.0.0.1')`
  const command = [process.execPath, '-e', script, '{port}']

  it('serves its model, is started again where it dies, and ends with the model', async () => {
    const options = { profile: 'mlserver', launch: { command, ready: '/v2/health/ready' }, forward_headers: ['x-die'] }
    const { url, close } = await proxied(options)
    const ask = (headers = {}) => post(`${url.http}/v2/models/half/infer`, floats([1]), headers)
    const pidOf = ({ body }: Awaited<ReturnType<typeof ask>>) =>
      (body as { outputs: { data: number[] }[] }).outputs[0]?.data[0] ?? 0
    const first = await ask()
    expect(first.status).toBe(200)
    expect((await ask({ 'x-die': '1' })).status).toBeGreaterThanOrEqual(502)
    await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(200)
    const second = pidOf(await ask())
    expect(second).not.toBe(pidOf(first))
    await close()
    expect(() => process.kill(second, 0)).toThrow('ESRCH')
  })

  it.each([
    [{ profile: 'kserve' }, /must name an address, or 'launch' a server/],
    [{ profile: 'kserve', launch: {} }, /profile kserve has no usual command/],
    [{ profile: 'vllm', launch: { comand: [] } }, /has no key 'comand'/],
    [{ profile: 'vllm', launch: { command }, upstreams: ['http://example.com:{port}'] }, /must lie on 127\.0\.0\.1/],
    [
      { profile: 'vllm', launch: { command: [process.execPath, '-e', 'console.error("no GPU"); process.exit(1)'] } },
      /ended with code 1.*no GPU/,
    ],
  ])('is refused, or told of, where it cannot be started: %#', async (options, message) => {
    const { url } = await proxied(options)
    const answer = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(answer.body['error']).toMatch(message)
  })
})
