/** Requests and answers in a sink, as they came and as they were answered, over every wire. */
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { createServer, type Server, type ServerOptions } from '../../../src/server/server.ts'
import { ManifestBench, service } from '../../kserve/support.ts'
import { samples } from '../../paths.ts'
import { isReady, isvcText, startControlled, v2Request } from '../control/support.ts'
import { EventSink } from '../../telemetry/event-sink.ts'

const bench = new ManifestBench()
const open: Server[] = []
const sinks: EventSink[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
  for (const sink of sinks.splice(0)) await sink.close()
})
afterAll(() => bench.close())

async function started(options: (url: string) => ServerOptions | Promise<ServerOptions>) {
  const sink = new EventSink()
  sinks.push(sink)
  const given = await options(await sink.open())
  const server = await createServer({ httpPort: 0, grpcPort: 0, log: silentLog, ...given })
  open.push(server)
  return { sink, server, ...(await server.start()) }
}

const iris = join(samples, 'iris')
const rows = '{ "instances": [[6.3, 3.3, 6, 2.5]] }'
const kinds = ({ events }: EventSink) => events.map(({ headers }) => String(headers['ce-type']).split('.').at(-1))

describe('the setting', () => {
  it('logs every model, bodies byte for byte, a pair under one id', async () => {
    const { http, sink, server } = await started((url) => ({
      models: { iris },
      payloadLogUrl: url,
      payloadLogHeaders: ['X-User'],
    }))
    const headers = { 'content-type': 'application/json', 'x-user': 'ada', 'ce-id': 'mine' }
    const response = await fetch(`${http}/v1/models/iris:predict`, {
      method: 'POST',
      body: rows,
      headers: { ...headers, 'accept-encoding': 'identity' },
    })
    const answer = await response.text()
    await sink.until(2)
    expect(kinds(sink).toSorted()).toEqual(['request', 'response'])
    const [request, reply] = sink.events.toSorted((a, b) =>
      String(a.headers['ce-type']) < String(b.headers['ce-type']) ? -1 : 1,
    )
    expect(request?.body.toString()).toBe(rows)
    expect(reply?.body.toString()).toBe(answer)
    expect(request?.headers).toMatchObject({
      'ce-id': 'mine',
      'ce-inferenceservicename': 'iris',
      'ce-namespace': 'default',
      'ce-component': 'predictor',
      'ce-metadata': '{"X-User":["ada"]}',
      'content-type': 'application/json',
    })
    expect(reply?.headers['ce-id']).toBe('mine')
    await server.close()
    expect(await server.own.metrics()).toContain('servable_payload_log_events_total{outcome="sent"} 2')
  })

  it('logs no answer that is an error, and tensors of programs as V2 JSON', async () => {
    const { http, sink, server } = await started((url) => ({ models: { iris }, payloadLogUrl: url }))
    const bad = await fetch(`${http}/v1/models/iris:predict`, { method: 'POST', body: '{"instances": [[1]]}' })
    expect(bad.status).toBe(400)
    const x = tensor('X', 'FP32', [1, 4], Float32Array.of(6.25, 3.5, 6, 2.5))
    await server.infer({ id: 'a', model: { name: 'iris' }, inputs: [x] })
    await server.close()
    expect(kinds(sink)).toEqual(expect.arrayContaining(['request', 'request', 'response']))
    expect(sink.events).toHaveLength(3)
    const bodies = sink.events.map(({ body }) => JSON.parse(body.toString()) as unknown)
    expect(bodies).toContainEqual({
      id: 'a',
      inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.25, 3.5, 6, 2.5] }],
    })
    expect(bodies).toContainEqual(
      expect.objectContaining({ id: 'a', model_name: 'iris', outputs: expect.any(Array) as unknown }),
    )
  })

  it('is refused where it is no URL', async () => {
    await expect(createServer({ models: { iris }, payloadLogUrl: 'sink', log: silentLog })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: '--payload-log-url must be a URL that begins with http:// or https://',
    })
  })
})

describe('a logger of a manifest', () => {
  const manifest = (logger: string) =>
    service(
      `logger: ${logger}\nonnx:\n  storageUri: file://${iris}\n  protocolVersion: v1`,
      'flowers',
      ', namespace: garden',
    )

  it.each([
    ['request', ['request']],
    ['response', ['response']],
  ])('of mode %s logs only that', async (mode, expected) => {
    const { http, sink, server } = await started(async (url) => ({
      file: [join(await bench.write(manifest(`{mode: ${mode}, url: "${url}"}`)), 'm.yaml')],
      models: { other: iris },
    }))
    for (const name of ['flowers', 'other']) {
      const { status } = await fetch(`${http}/v1/models/${name}:predict`, { method: 'POST', body: rows })
      expect(status).toBe(200)
    }
    await server.close()
    expect(kinds(sink)).toEqual(expected)
    expect(sink.events[0]?.headers).toMatchObject({ 'ce-inferenceservicename': 'flowers', 'ce-namespace': 'garden' })
  })

  it('begins and ends with the service that is applied', async () => {
    const sink = new EventSink()
    sinks.push(sink)
    const url = await sink.open()
    const controlled = await startControlled()
    open.push(controlled.server)
    const ask = async (): Promise<void> => {
      const body = JSON.stringify(v2Request)
      expect((await fetch(`${controlled.http}/v2/models/flowers/infer`, { method: 'POST', body })).status).toBe(200)
    }
    await controlled.apply(isvcText('iris', [`logger: {mode: request, url: "${url}"}`]))
    await controlled.until(isReady)
    await ask()
    await sink.until(1)
    await controlled.apply(isvcText('iris'))
    await controlled.until(isReady)
    await ask()
    await controlled.server.close()
    expect(kinds(sink)).toEqual(['request'])
  })

  it('does not hold up a drain when its sink hangs', async () => {
    const { http, sink, server } = await started(async (url) => ({
      file: [join(await bench.write(manifest(`{mode: all, url: "${url}"}`)), 'm.yaml')],
      drainSeconds: 1,
    }))
    sink.gate = new Promise(() => undefined)
    await fetch(`${http}/v1/models/flowers:predict`, { method: 'POST', body: rows })
    const before = performance.now()
    await server.close()
    expect(performance.now() - before).toBeLessThan(5000)
  })
})
