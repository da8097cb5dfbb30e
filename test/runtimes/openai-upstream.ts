/** A server that speaks OpenAI's protocol, and does what the name of the model asks for. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Seen {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface OpenAiUpstream {
  readonly url: string
  readonly seen: Seen[]
  /** Resolves when the next connection is closed before its answer was complete. */
  readonly broken: () => Promise<void>
  /** Tokens that were written. */
  written: number
}

const text = (token: string) => `data: ${JSON.stringify({ choices: [{ index: 0, text: token }] })}\n\n`
const end = `data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}]}\n\n`
const usage = { prompt_tokens: 2, completion_tokens: 3 }

export async function openAiUpstream(): Promise<OpenAiUpstream> {
  const seen: Seen[] = []
  const waiting: (() => void)[] = []
  const upstream: OpenAiUpstream = {
    url: '',
    seen,
    broken: () => new Promise((resolve) => waiting.push(resolve)),
    written: 0,
  }
  const server = createServer((request, response) => {
    response.on('close', () => {
      if (!response.writableEnded) for (const tell of waiting.splice(0)) tell()
    })
    void answer(request, response, upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(upstream, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }) // it listens on a port
}

async function answer(request: IncomingMessage, response: ServerResponse, upstream: OpenAiUpstream): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer) // no encoding is set
  const body = Buffer.concat(parts).toString()
  if (request.method === 'GET') return void response.writeHead(200).end('{"data":[]}')
  upstream.seen.push({ path: request.url ?? '', headers: request.headers, body })
  const { model, stream, prompt } = JSON.parse(body) as { model: string; stream?: boolean; prompt?: string | string[] }
  switch (model) {
    case 'busy':
      return void json(response, 429, { error: { message: 'slow down', type: 'x' } }, { 'retry-after': '7' })
    case 'page':
      return void response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>oh</h1>')
    case 'wrong':
      return void json(response, 422, { error: { message: 'temperature must be positive' } })
    case 'nonsense':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"choi')
    case 'hangup':
      return void response.destroy()
    case 'cut':
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`${text('a')}data: {"choi`)
      return void setImmediate(() => response.destroy())
    case 'endless':
      return flood(response, upstream)
    case 'silent':
      return
    default:
      if (stream !== true) {
        const prompts = Array.isArray(prompt) ? prompt : [prompt ?? '']
        const choices = prompts.map((each, index) => ({ index, text: `${each}!`, finish_reason: 'stop' }))
        return void json(
          response,
          200,
          { model, choices, usage },
          { 'endpoint-load-metrics': 'TEXT num_requests_waiting=3' },
        )
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(
        `${text('a')}${text('b')}${text('c')}${end}data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`,
      )
  }
}

function json(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

async function flood(response: ServerResponse, upstream: OpenAiUpstream): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const token = text('x'.repeat(8192))
  while (!response.destroyed) {
    upstream.written += 1
    if (response.write(token)) await new Promise((resolve) => setImmediate(resolve))
    else await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
}
