/** Spans of requests and of steps, as a collector gets them, and the trace that goes on to services elsewhere. */
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer, defineModel, tensor, type Server } from '../../../src/index.ts'
import { createClient } from '../../../src/client/index.ts'
import { Collector, type CollectedSpan } from '../../telemetry/collector.ts'
import { fixtures } from '../../paths.ts'

const iris = `${fixtures}/models/iris-logreg`
const traceId = '0af7651916cd43dd8448eb211c80319c'
const caller = 'b7ad6b7169203331'
const body = JSON.stringify({ instances: [[6.3, 3.3, 6, 2.5]] })

const received: NodeJS.Dict<string | string[]>[] = []
const elsewhere = createHttpServer((request, response) => {
  received.push(request.headers)
  request.resume().on('end', () => response.end('{"predictions":[1]}'))
})
const collector = new Collector()
let endpoint = ''

beforeAll(async () => {
  endpoint = await collector.start()
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  elsewhere.closeAllConnections()
  elsewhere.close()
  await collector.close()
})

/** Asks a server that lives as long as the work, and gives what a collector then has. */
async function spansOf(
  options: object,
  work: (url: string, server: Server, grpc: string) => Promise<unknown>,
): Promise<readonly CollectedSpan[]> {
  const { port } = elsewhere.address() as AddressInfo // it listens on a port
  const nodes = {
    root: {
      routerType: 'Sequence',
      steps: [
        { name: 'inner', nodeName: 'local' },
        { name: 'far', serviceName: 'far' },
      ],
    },
    local: { routerType: 'Sequence', steps: [{ name: 'near', serviceName: 'iris' }] },
  }
  const server = await createServer({
    models: { iris },
    graphs: [{ name: 'two', spec: { nodes } }],
    services: { far: { url: `http://127.0.0.1:${port}/v1/models/m:predict` } },
    httpPort: 0,
    grpcPort: 0,
    logLevel: 'silent',
    ...options,
  })
  collector.spans.length = 0
  received.length = 0
  try {
    const { http, grpc = '' } = await server.start()
    await work(http, server, grpc)
  } finally {
    await server.close()
  }
  return collector.spans
}

const post = (url: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${url}${path}`, { method: 'POST', body, headers }).then((answer) => answer.text())

function spanCalled(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter((span) => span.name === name)
  expect(found.map((span) => span.name)).toEqual([name])
  const [first] = found
  if (first === undefined) throw new Error(`no span ${name}`)
  return first
}

describe('spans', () => {
  it("are part of the caller's trace, each step below the request, each model below its step", async () => {
    const headers = { traceparent: `00-${traceId}-${caller}-01`, tracestate: 'vendor=1' }
    const spans = await spansOf({ otlpEndpoint: endpoint }, (url) => post(url, '/graphs/two', headers))
    expect(new Set(spans.map((span) => span.traceId))).toEqual(new Set([traceId]))
    const graph = spanCalled(spans, 'infer two')
    const inner = spanCalled(spans, 'step inner')
    const near = spanCalled(spans, 'step near')
    const far = spanCalled(spans, 'step far')
    const model = spanCalled(spans, 'infer iris')
    expect(spans).toHaveLength(5)
    expect([graph, inner, near, model, far].map(({ parentSpanId }) => parentSpanId)).toEqual([
      caller,
      graph.spanId,
      inner.spanId,
      near.spanId,
      graph.spanId,
    ])
    expect(graph).toMatchObject({ kind: 2, traceState: 'vendor=1', attributes: { 'servable.model': 'two' } })
    expect(near).toMatchObject({
      attributes: { 'servable.graph': 'two', 'servable.node': 'local', 'servable.calls': 1 },
    })
    expect(model).toMatchObject({ kind: 1, attributes: { 'servable.version': '1', 'servable.rows': 1 } })
    for (const span of spans) {
      expect(BigInt(span.endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano))
      expect(span.status).toBeUndefined()
    }
    expect(received).toMatchObject([{ traceparent: `00-${traceId}-${far.spanId}-01`, tracestate: 'vendor=1' }])
  })

  it('of a model begin a trace where the caller has none, and tell of errors', async () => {
    const spans = await spansOf({ otlpEndpoint: endpoint }, async (url) => {
      await post(url, '/v1/models/iris:predict')
      await fetch(`${url}/v2/models/iris/infer`, {
        method: 'POST',
        body: JSON.stringify({ inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] }),
      })
    })
    const [good, bad] = spans
    expect(spans).toHaveLength(2)
    expect(good?.parentSpanId).toBeUndefined()
    expect(good?.traceId).not.toBe(bad?.traceId)
    expect(bad).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'invalid_argument' } })
  })

  it('are told to models by the headers that they see', async () => {
    const seen: unknown[] = []
    const floats = { datatype: 'FP32', shape: [-1] } as const
    const looking = defineModel({
      inputs: { x: floats },
      outputs: { x: floats },
      preprocess: (request, { headers }) => {
        seen.push(headers)
        return request
      },
      predict: ({ x }) => ({ x: x.data }),
    })
    const spans = await spansOf({ otlpEndpoint: endpoint, models: { iris, looking } }, (_url, server) =>
      server.infer(
        { model: { name: 'looking' }, inputs: [tensor('x', 'FP32', [1], Float32Array.of(1))] },
        { headers: { traceparent: `00-${traceId}-${caller}-01`, tracestate: 'vendor=1', 'x-user': 'ann' } },
      ),
    )
    const { spanId } = spanCalled(spans, 'infer looking')
    expect(seen).toEqual([{ traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1', 'x-user': 'ann' }])
  })

  it('are part of a trace that comes by gRPC, with a deadline', async () => {
    const spans = await spansOf({ otlpEndpoint: endpoint }, async (_url, _server, grpc) => {
      const client = createClient(`grpc://${grpc}`, { headers: { traceparent: `00-${traceId}-${caller}-01` } })
      await client.infer('iris', { X: [[6.3, 3.3, 6, 2.5]] }, { timeoutMs: 20_000 })
      client.close()
    })
    expect(spans).toMatchObject([
      { name: 'infer iris', traceId, parentSpanId: caller, attributes: { 'servable.protocol': 'grpc-v2' } },
    ])
  })

  it('are not kept where the caller keeps none, and the trace goes on all the same', async () => {
    const headers = { traceparent: `00-${traceId}-${caller}-00` }
    const spans = await spansOf({ otlpEndpoint: endpoint }, (url) => post(url, '/graphs/two', headers))
    expect(spans).toEqual([])
    expect(received[0]?.['traceparent']).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  })

  it('of traces that begin here are kept in the share that is asked for', async () => {
    const none = { otlpEndpoint: endpoint, traceRatio: 0 }
    expect(await spansOf(none, (url) => post(url, '/v1/models/iris:predict'))).toEqual([])
  })

  it('are counted in the metrics', async () => {
    await spansOf({ otlpEndpoint: endpoint }, async (url) => {
      await post(url, '/v1/models/iris:predict')
      const metrics = await (await fetch(`${url}/metrics`)).text()
      expect(metrics).toContain('servable_spans_total{outcome="dropped"} 0')
    })
  })

  it('are not made where nobody asks for them: services elsewhere get no header more', async () => {
    const headers = { traceparent: `00-${traceId}-${caller}-01` }
    const spans = await spansOf({}, async (url) => {
      await post(url, '/graphs/two', headers)
      expect(await (await fetch(`${url}/metrics`)).text()).not.toContain('servable_spans_total')
    })
    expect(spans).toEqual([])
    expect(received[0]).not.toHaveProperty('traceparent')
  })
})
