/** Spans on their way to a collector: in batches, bounded, and never in the way. */
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { OtlpExporter } from '../../src/telemetry/otlp-exporter.ts'
import type { Span } from '../../src/telemetry/span.ts'
import { Collector } from './collector.ts'

const collector = new Collector()
let url = ''
beforeAll(async () => {
  url = `${await collector.start()}/v1/traces`
})
afterAll(() => collector.close())

function spanNamed(name: string, more: Partial<Span> = {}): Span {
  const context = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true }
  return {
    context,
    name,
    kind: 'server',
    startMs: 1_700_000_000_000,
    endMs: 1_700_000_000_001.5,
    attributes: {},
    ...more,
  }
}

function exporter(more: object = {}): OtlpExporter {
  return new OtlpExporter({ url, resource: { 'service.name': 'test' }, version: '1', log: silentLog, ...more })
}

describe('an exporter', () => {
  it('sends what it has when it closes', async () => {
    const own = exporter({ headers: { authorization: 'Bearer x' } })
    const context = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: 'c'.repeat(16), state: 'k=v' }
    own.add(
      spanNamed('one', { context, attributes: { text: 'x', whole: 3, part: 0.5, none: undefined }, error: 'why' }),
    )
    await own.close()
    expect(own).toMatchObject({ exported: 1, dropped: 0, failed: 0 })
    expect(collector.spans.at(-1)).toEqual({
      ...{ traceId: context.traceId, spanId: context.spanId, parentSpanId: context.parentSpanId, traceState: 'k=v' },
      ...{ name: 'one', kind: 2, attributes: { text: 'x', whole: 3, part: 0.5 } },
      ...{ startTimeUnixNano: '1700000000000000000', endTimeUnixNano: '1700000000001500000' },
      status: { code: 2, message: 'why' },
    })
    expect(collector.requests.at(-1)).toMatchObject({ path: '/v1/traces', headers: { authorization: 'Bearer x' } })
    expect(collector.resources.at(-1)).toEqual({ 'service.name': 'test' })
  })

  it('sends a full batch without waiting, and drops what finds the queue full', async () => {
    const own = exporter({ delayMs: 3_600_000 })
    const before = collector.spans.length
    for (let index = 0; index < 3000; index += 1) own.add(spanNamed(`span ${index}`))
    expect(own.dropped).toBe(3000 - 512 - 2048)
    await own.close()
    expect(own.exported).toBe(2560)
    expect(collector.spans.length - before).toBe(2560)
    own.add(spanNamed('late'))
    expect(own.dropped).toBe(441)
  })

  it('tells once of a collector that takes nothing, and counts', async () => {
    const warnings: unknown[] = []
    const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) }
    collector.status = 503
    const own = exporter({ log })
    for (let index = 0; index < 600; index += 1) own.add(spanNamed('lost'))
    await own.close()
    collector.status = 200
    expect(own).toMatchObject({ exported: 0, failed: 600 })
    expect(warnings).toEqual([{ reason: 'the collector answered 503', spans: 512 }])
  })

  it('closes soon where a collector never answers', async () => {
    const sockets = new Set<Socket>()
    const silent = createTcpServer((socket) => sockets.add(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo // it listens on a port
    const own = exporter({ url: `http://127.0.0.1:${port}/v1/traces`, closingMs: 50 })
    for (let index = 0; index < 600; index += 1) own.add(spanNamed('lost'))
    await own.close()
    expect(own).toMatchObject({ exported: 0, dropped: 88, failed: 512 })
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  it('gives up where nobody listens', async () => {
    const own = exporter({ url: 'http://127.0.0.1:1/v1/traces' })
    own.add(spanNamed('lost'))
    await own.close()
    expect(own).toMatchObject({ exported: 0, failed: 1 })
  })
})
