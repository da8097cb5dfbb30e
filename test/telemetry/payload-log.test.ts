/** Events for a sink: their headers, and what becomes of them when the sink is slow, sick or gone. */
import { afterEach, describe, expect, it } from 'vitest'
import { silentLog, type Log } from '../../src/core/log.ts'
import { eventHeaders, type PayloadEvent } from '../../src/telemetry/payload-event.ts'
import { PayloadSink } from '../../src/telemetry/payload-sink.ts'
import { deferred } from '../repository/fake-models.ts'
import { EventSink } from './event-sink.ts'

const event = (parts: Partial<PayloadEvent> = {}): PayloadEvent => ({
  kind: 'request',
  id: 'i1',
  origin: { service: 'iris', namespace: 'flowers', component: 'predictor', annotations: {} },
  source: 'pod-1',
  time: new Date(0),
  metadata: {},
  contentType: 'application/json',
  body: Buffer.from('{"instances":[[1]]}'),
  ...parts,
})

const sinks: EventSink[] = []
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close()
})

async function opened(options: { readonly maxQueued?: number; readonly log?: Log } = {}) {
  const taken = new EventSink()
  sinks.push(taken)
  const counts = { sent: 0, failed: 0, dropped: 0 }
  const pauses: number[] = []
  const pause = (ms: number): Promise<void> => {
    pauses.push(ms)
    return Promise.resolve()
  }
  const sink = new PayloadSink({ url: new URL(await taken.open()), log: silentLog, counts, pause, ...options })
  return { taken, sink, counts, pauses }
}

describe('an event', () => {
  it('has the attributes that the agent of KServe writes', () => {
    expect(eventHeaders(event())).toEqual({
      'Ce-Specversion': '1.0',
      'Ce-Id': 'i1',
      'Ce-Type': 'org.kubeflow.serving.inference.request',
      'Ce-Source': 'pod-1',
      'Ce-Time': '1970-01-01T00:00:00.000Z',
      'Ce-Recordedtime': '1970-01-01T00:00:00.000Z',
      'Ce-Inferenceservicename': 'iris',
      'Ce-Namespace': 'flowers',
      'Ce-Component': 'predictor',
      'Ce-Endpoint': '',
      'Ce-Metadata': '{}',
      'Content-Type': 'application/json',
      'Content-Length': '19',
    })
  })

  it('carries headers as Go names them, and annotations, in ASCII', () => {
    const origin = { ...event().origin, annotations: { team: 'grün' } }
    const headers = eventHeaders(event({ kind: 'response', metadata: { 'x-user-id': 'ü\n"' }, origin }))
    expect(headers['Ce-Type']).toBe('org.kubeflow.serving.inference.response')
    expect(headers['Ce-Metadata']).toBe(String.raw`{"X-User-Id":["\u00fc\n\""]}`)
    expect(headers['Ce-Annotations']).toBe(String.raw`{"team":"gr\u00fcn"}`)
    expect(JSON.parse(headers['Ce-Metadata'] ?? '')).toEqual({ 'X-User-Id': ['ü\n"'] })
  })
})

describe('a sink', () => {
  it('gets every event once, over few connections', async () => {
    const { taken, sink, counts } = await opened()
    for (let index = 0; index < 20; index += 1) sink.add(event({ id: String(index) }))
    await sink.flushed()
    sink.close()
    expect(taken.events.map(({ headers }) => Number(headers['ce-id'])).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    )
    expect(taken.events[0]?.body.toString()).toBe('{"instances":[[1]]}')
    expect(counts).toEqual({ sent: 20, failed: 0, dropped: 0 })
  })

  it('that fails is asked three times, one that refuses once', async () => {
    const { taken, sink, counts, pauses } = await opened()
    taken.statuses.push(500, 503)
    sink.add(event())
    await sink.flushed()
    expect(counts).toEqual({ sent: 1, failed: 0, dropped: 0 })
    expect(pauses).toEqual([100, 400])
    taken.statuses.push(500, 500, 500)
    sink.add(event())
    await sink.flushed()
    taken.statuses.push(400)
    sink.add(event())
    await sink.flushed()
    sink.close()
    expect(counts).toEqual({ sent: 1, failed: 2, dropped: 0 })
    expect(taken.events).toHaveLength(7)
  })

  it('that is slow has a bounded queue before it; what is too much is counted and told once', async () => {
    const warnings: unknown[] = []
    const log: Log = { ...silentLog, warn: (fields) => void warnings.push(fields) }
    const { taken, sink, counts } = await opened({ maxQueued: 3, log })
    const gate = deferred()
    taken.gate = gate.promise
    for (let index = 0; index < 5; index += 1) sink.add(event())
    await taken.until(5)
    for (let index = 0; index < 6; index += 1) sink.add(event())
    expect(sink.queued).toBe(3)
    expect(counts.dropped).toBe(3)
    expect(warnings).toEqual([expect.objectContaining({ what: 'dropped', reason: 'the queue is full' })])
    gate.resolve()
    await sink.flushed()
    sink.close()
    expect(counts).toEqual({ sent: 8, failed: 0, dropped: 3 })
  })

  it('that is gone is told without what is secret in its address', async () => {
    const warnings: Readonly<Record<string, unknown>>[] = []
    const log: Log = { ...silentLog, warn: (fields) => void warnings.push(fields) }
    const counts = { sent: 0, failed: 0, dropped: 0 }
    const url = new URL('http://user:hunter2@127.0.0.1:9/?token=hunter2')
    const sink = new PayloadSink({ url, log, counts, pause: () => Promise.resolve() })
    sink.add(event())
    await sink.flushed()
    sink.close()
    sink.add(event())
    expect(counts).toEqual({ sent: 0, failed: 1, dropped: 1 })
    expect(warnings).toHaveLength(1)
    expect(JSON.stringify(warnings)).not.toContain('hunter2')
  })
})
