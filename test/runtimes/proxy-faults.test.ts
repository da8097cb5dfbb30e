/** Upstreams that break, lie, sleep or die: what callers are told, and how often a request runs. */
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, createServer as createTcp, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { floats, post, proxied, serve } from './proxy-support.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A V2 server over REST that is ready, describes one model, and answers an infer as it is told. */
async function hostile(infer: Handler): Promise<string> {
  const server = createHttp((request, response) => {
    const { url = '' } = request
    if (url.endsWith('/infer')) return infer(request, response)
    const x = { name: 'x', datatype: 'FP32', shape: [-1] }
    response.end(url.endsWith('/ready') ? '' : JSON.stringify({ name: 'half', inputs: [x], outputs: [] }))
  })
  return listening(server)
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}` // of a TCP server
}

const answer = JSON.stringify({ model_name: 'half', outputs: [{ name: 'y', datatype: 'FP32', shape: [1], data: [1] }] })

/** What each fault is answered with. */
const faults: readonly (readonly [string, Handler, number, RegExp])[] = [
  ['resets the connection', (request) => void request.socket.resetAndDestroy(), 502, /broke off/],
  [
    'stops in the middle of its answer',
    (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('{"outputs"', () => response.destroy())
    },
    502,
    /broke off/,
  ],
  ['answers what is no HTTP', (request) => void request.socket.end('hello\r\n\r\n'), 502, /broke off/],
  ['answers what is no JSON', (_request, response) => void response.end('<html>'), 502, /cannot be used/],
  [
    'answers JSON of something else',
    (_request, response) => void response.end('{"outputs": 3}'),
    502,
    /cannot be used/,
  ],
  ['answers too little data', (_, response) => void response.end(answer.replace('[1]}', '[]}')), 502, /cannot be used/],
  ['answers without end', endless, 502, /max_response_bytes/],
  ['does not answer', () => undefined, 504, /within 300 ms/],
  [
    'redirects',
    (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    502,
    /redirect/,
  ],
  ['answers 500', (_, response) => void response.writeHead(500).end('{"error":"a bug"}'), 500, /^a bug$/],
  ['answers 502', (_, response) => void response.writeHead(502).end('<html>Bad Gateway'), 502, /502/],
  [
    'answers 503',
    (_, response) => void response.writeHead(503, { 'retry-after': '7' }).end('{"error":"busy"}'),
    503,
    /busy/,
  ],
  ['answers 404', (_, response) => void response.writeHead(404).end('{"error":"no such"}'), 404, /no such/],
]

function endless(_request: IncomingMessage, response: ServerResponse): void {
  const chunk = Buffer.alloc(10_000, ' ')
  const more = (): void => {
    if (!response.destroyed) response.write(chunk, () => setImmediate(more))
  }
  more()
}

describe('an upstream over REST that', () => {
  it.each(faults)('%s', async (_what, infer, status, text) => {
    const upstream = await hostile(infer)
    const { url } = await proxied({
      upstreams: [upstream],
      profile: 'mlserver',
      timeout_ms: 300,
      max_response_bytes: 100_000,
    })
    const told = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(told.status).toBe(status)
    expect(told.body['error']).toMatch(text)
  })

  it('refuses is asked no more while another takes requests, and the request runs once', async () => {
    let refusals = 0
    const refusing = await hostile((_request, response) => {
      refusals += 1
      response.writeHead(503, { 'retry-after': '1' }).end('{"error":"full"}')
    })
    let runs = 0
    const working = await hostile((_request, response) => {
      runs += 1
      response.end(answer)
    })
    const { url } = await proxied({
      upstreams: [refusing, working],
      profile: 'mlserver',
      breaker: { failures: 3, open_ms: 60_000 },
    })
    for (let index = 0; index < 20; index += 1) {
      expect((await post(`${url.http}/v2/models/half/infer`, floats([1]))).status).toBe(200)
    }
    expect(runs).toBe(20)
    expect(refusals).toBe(3)
  })

  it.each([
    [false, 502, 1],
    [true, 200, 2],
  ])('may have run a request gets no second one unless that is said (%s)', async (isSaid, status, runs) => {
    let asked = 0
    const once: Handler = (request, response) => {
      asked += 1
      if (asked === 1) request.socket.destroy()
      else response.end(answer)
    }
    const upstreams = [await hostile(once), await hostile(once)]
    const { url } = await proxied({ upstreams, profile: 'mlserver', retry_sent: isSaid })
    expect((await post(`${url.http}/v2/models/half/infer`, floats([1]))).status).toBe(status)
    expect(asked).toBe(runs)
  })
})

describe('upstreams that come and go', () => {
  it('make the model not ready while none is there, and ready again afterwards', async () => {
    let isReady = true
    const upstream = await listening(
      createHttp((request, response) => {
        const isAsked = request.url?.endsWith('/ready') === true
        response.writeHead(isAsked && !isReady ? 503 : 200).end(isAsked ? '' : '{"inputs":[],"outputs":[]}')
      }),
    )
    const { url } = await proxied({ upstreams: [upstream], profile: 'mlserver', health: { interval_ms: 5 } })
    const becomes = async (status: number): Promise<void> => {
      while ((await fetch(`${url.http}/v2/models/half/ready`)).status !== status) await nextTurn()
    }
    await becomes(200)
    isReady = false
    await becomes(503)
    isReady = true
    await becomes(200)
  })

  it('are waited for no longer than start_timeout_ms', async () => {
    const { url, server } = await proxied({ upstreams: ['http://127.0.0.1:1'], start_timeout_ms: 100 })
    await server.load()
    const told = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(told.status).toBe(503)
    const { state, reason } = server.dataPlane.models()[0] ?? {}
    expect(state).toBe('failed')
    const why = 'no upstream was ready within 100 ms: cannot reach http://127.0.0.1:1: connection refused'
    expect(reason).toContain(why)
  })

  it.each(['grpc', 'http'] as const)('lose no request over %s and run none twice', async (kind) => {
    const seen = new Map<number, number>()
    const counted = defineModel({
      ...definition,
      concurrency: 64,
      predict: async ({ x }) => {
        const [number = -1] = x.data
        seen.set(number, (seen.get(number) ?? 0) + 1)
        await nextTurn()
        return { y: x.data.map((value) => value / 2 + 2) }
      },
    })
    const doomed = await serve({ half: counted })
    const staying = await serve({ half: counted })
    const relay = await relayTo(doomed.url[kind])
    const { url, client } = await proxied({ upstreams: [relay.url, staying.url[kind]], profile: 'triton' })
    const connection = client('grpc-v2')
    let answered = 0
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        while (index > answered + 100) await nextTurn()
        const x = tensor('x', 'FP32', [1], Float32Array.of(index))
        const result = await (index % 2 === 0
          ? connection.infer('half', { x }).then(
              ({ outputs }) => outputs['y']?.data[0],
              (reason: { code: string }) => reason.code,
            )
          : post(`${url.http}/v2/models/half/infer`, floats([index])).then(({ status, body }) =>
              status === 200 ? (body['outputs'] as { data: number[] }[])[0]?.data[0] : status,
            ))
        answered += 1
        if (answered === 300) relay.cut()
        return result
      }),
    )
    const wrong = outcomes.filter((outcome, index) => outcome !== index / 2 + 2)
    expect(wrong.filter((outcome) => ![502, 503, 504, 'unavailable'].includes(outcome as number))).toEqual([])
    expect(outcomes.filter((outcome) => typeof outcome === 'number' && outcome < 502).length).toBeGreaterThan(600)
    expect([...seen.values()].filter((count) => count > 1)).toEqual([])
  })
})

/** A way to an upstream that can be cut, as its death would: what it runs, runs on unseen. */
async function relayTo(url: string): Promise<{ readonly url: string; cut(): void }> {
  const { protocol, port } = new URL(url.replace(/^grpc:/, 'http:'))
  const sockets = new Set<Socket>()
  const server = createTcp((socket) => {
    const onward = connect(Number(port), '127.0.0.1')
    for (const end of [socket, onward]) sockets.add(end.on('error', () => undefined))
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(cut)
  const own = (server.address() as AddressInfo).port // of a TCP server
  return { url: `${url.startsWith('grpc') ? 'grpc:' : protocol}//127.0.0.1:${own}`, cut }
}

const definition = {
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
} as const

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
