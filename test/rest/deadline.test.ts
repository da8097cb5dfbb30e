/** What the headers of a request say about its time. */
import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { timeoutOf } from '../../src/rest/deadline.ts'
import { createTestApp } from './models.ts'
import { open } from './socket.ts'

const infer = { method: 'POST', url: '/v2/models/slow/infer' } as const
const body = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}'

describe('timeoutOf', () => {
  it.each([
    [{ 'x-request-timeout': '2' }, 2000],
    [{ 'x-request-timeout': '0.25' }, 250],
    [{ 'x-request-timeout': '500ms' }, 500],
    [{ 'x-request-timeout': ' 2 s ' }, 2000],
    [{ 'x-request-timeout': '1m' }, 60_000],
    [{ 'x-request-timeout': '1500us' }, 1.5],
    [{ 'x-request-timeout': '0' }, undefined],
    [{ 'x-envoy-expected-rq-timeout-ms': '300' }, 300],
    [{ 'x-envoy-expected-rq-timeout-ms': '0' }, undefined],
    [{ 'x-envoy-expected-rq-timeout-ms': 'soon' }, undefined],
    [{ 'x-request-timeout': '2', 'x-envoy-expected-rq-timeout-ms': '300' }, 300],
    [{ 'x-request-timeout': '100ms', 'x-envoy-expected-rq-timeout-ms': '300' }, 100],
    [{}, undefined],
  ])('%j is %s ms', (headers, expected) => {
    expect(timeoutOf(headers)).toBe(expected)
  })

  it.each(['', 'soon', '-1', '1e3', '5h', '1,5', 'Infinity'])('refuses %j', (text) => {
    expect(() => timeoutOf({ 'x-request-timeout': text })).toThrow("header 'X-Request-Timeout' must be seconds")
  })
})

describe('a request with a deadline', () => {
  it('is answered with 504 when it passes, and its model is told', async () => {
    const told = new EventEmitter()
    const reasons: unknown[] = []
    const app = createTestApp({
      onSlow: ({ signal }) =>
        signal.addEventListener('abort', () => void (reasons.push(signal.reason), told.emit('told'))),
    })
    const answer = await app.inject({ ...infer, payload: body, headers: { 'x-request-timeout': '300ms' } })
    expect([answer.statusCode, answer.json()]).toEqual([504, { error: 'the deadline of the request passed' }])
    expect(reasons).toMatchObject([{ code: 'deadline_exceeded' }])
  })

  it('is answered as ever where it is in time', async () => {
    const app = createTestApp({ onSlow: ({ finish }) => finish() })
    const answer = await app.inject({ ...infer, payload: body, headers: { 'x-request-timeout': '60' } })
    expect(answer.statusCode).toBe(200)
  })

  it('is a 400 where the header is no time', async () => {
    const answer = await createTestApp().inject({ ...infer, payload: body, headers: { 'x-request-timeout': 'soon' } })
    expect([answer.statusCode, answer.json<{ error: string }>().error]).toEqual([
      400,
      "header 'X-Request-Timeout' must be seconds, or a number with the unit us, ms, s or m, such as 500ms; got 'soon'",
    ])
  })

  it('may come by V1, too', async () => {
    const answer = await createTestApp().inject({
      method: 'POST',
      url: '/v1/models/slow:predict',
      payload: '{"instances":[1]}',
      headers: { 'x-request-timeout': '20ms' },
    })
    expect(answer.statusCode).toBe(504)
  })

  it('V2: by the parameter, in microseconds', async () => {
    const limited = body.replace('{', '{"parameters":{"timeout":20000},')
    expect((await createTestApp().inject({ ...infer, payload: limited })).statusCode).toBe(504)
  })
})

describe('a refusal', () => {
  const full = { method: 'POST', url: '/v2/models/full/infer', payload: body } as const

  it('is a 503 that says when to come again, in seconds and milliseconds', async () => {
    const answer = await createTestApp().inject(full)
    expect(answer.statusCode).toBe(503)
    expect(answer.headers).toMatchObject({ 'retry-after': '3', 'retry-after-ms': '2500' })
  })

  it('is a 429 where the operator wants it', async () => {
    const answer = await createTestApp({ refuseStatus: 429 }).inject(full)
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '3'])
  })
})

describe('a caller that leaves', () => {
  it('B43: is out of the queue at once, and never runs', async () => {
    const signals: AbortSignal[] = []
    let started = (): void => undefined
    const runs = new Promise<void>((resolve) => (started = resolve))
    const app = createTestApp({
      onSlow: ({ signal }) => {
        signals.push(signal)
        started()
      },
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const address = app.server.address()
    const socket = await open(typeof address === 'object' ? (address?.port ?? 0) : 0)
    socket.write(`POST ${infer.url} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await runs
    const left = new Promise((resolve) => signals[0]?.addEventListener('abort', resolve))
    socket.destroy()
    await left
    expect(signals.map(({ reason }) => reason as unknown)).toMatchObject([{ code: 'cancelled' }])
    await app.close()
  })
})
