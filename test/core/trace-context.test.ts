/** Where a call stands in a trace, by the headers of W3C and of b3. */
import { describe, expect, it } from 'vitest'
import { readTraceContext, traceHeaders } from '../../src/core/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

describe('traceparent', () => {
  it.each([
    [`00-${traceId}-${spanId}-01`, true],
    [`00-${traceId}-${spanId}-00`, false],
    [`00-${traceId}-${spanId}-03`, true],
    [`01-${traceId}-${spanId}-01-what-comes-later`, true],
  ])('%s is read', (traceparent, isSampled) => {
    expect(readTraceContext({ traceparent })).toEqual({ traceId, spanId, isSampled })
  })

  it.each([
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
    '',
  ])("'%s' is malformed: a trace begins here", (traceparent) => {
    expect(readTraceContext({ traceparent })).toBeUndefined()
  })

  it('brings tracestate along, unless it is too long to pass on', () => {
    const traceparent = `00-${traceId}-${spanId}-01`
    expect(readTraceContext({ traceparent, tracestate: 'a=1,b=2' })?.state).toBe('a=1,b=2')
    expect(readTraceContext({ traceparent, tracestate: 'a'.repeat(513) })).toEqual({ traceId, spanId, isSampled: true })
  })

  it('is written as it was read', () => {
    const headers = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'a=1' }
    const context = readTraceContext(headers)
    expect(context && Object.fromEntries(traceHeaders(context))).toEqual(headers)
  })
})

describe('b3', () => {
  it.each([
    [{ b3: `${traceId}-${spanId}-1` }, { traceId, spanId, isSampled: true }],
    [{ b3: `${traceId}-${spanId}-d-${spanId}` }, { traceId, spanId, isSampled: true }],
    [{ b3: `${traceId}-${spanId}-0` }, { traceId, spanId, isSampled: false }],
    [{ b3: `${spanId}-${spanId}` }, { traceId: `${'0'.repeat(16)}${spanId}`, spanId }],
    [
      { 'x-b3-traceid': traceId, 'x-b3-spanid': spanId, 'x-b3-sampled': '1' },
      { traceId, spanId, isSampled: true },
    ],
    [
      { 'x-b3-traceid': traceId, 'x-b3-spanid': spanId, 'x-b3-flags': '1' },
      { traceId, spanId, isSampled: true },
    ],
  ])('%j is read', (headers, expected) => {
    expect(readTraceContext(headers)).toEqual(expected)
  })

  it.each([{ b3: '0' }, { b3: 'x-y-1' }, { 'x-b3-traceid': traceId }, {}])('%j tells no place', (headers) => {
    expect(readTraceContext(headers)).toBeUndefined()
  })

  it('counts only where there is no traceparent', () => {
    const traceparent = `00-${traceId}-${spanId}-00`
    expect(readTraceContext({ traceparent, b3: `${'1'.repeat(32)}-${spanId}-1` })?.traceId).toBe(traceId)
  })
})
