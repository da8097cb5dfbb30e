/** Spans as the JSON of OTLP's ExportTraceServiceRequest. Pure. */
import type { Span } from './span.ts'

export type Attributes = Readonly<Record<string, string | number | undefined>>

/** OTLP's numbers. */
const kinds = { internal: 1, server: 2, client: 3 } as const
const failed = 2

/** @param resource what all of them share */
export function encodeSpans(spans: readonly Span[], resource: Attributes, version: string): string {
  const scope = { name: 'servable', version }
  const scopeSpans = [{ scope, spans: spans.map(encodeSpan) }]
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: encodeAttributes(resource) }, scopeSpans }] })
}

function encodeSpan({ context, name, kind, startMs, endMs, attributes, error }: Span): object {
  const { traceId, spanId, parentSpanId, state } = context
  return {
    traceId,
    spanId,
    parentSpanId,
    traceState: state,
    name,
    kind: kinds[kind],
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: encodeAttributes(attributes),
    status: error === undefined ? undefined : { code: failed, message: error },
  }
}

/** To the microsecond: more digits than a double has. */
function nanoseconds(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000)}000`
}

function encodeAttributes(attributes: Attributes): readonly object[] {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({ key, value: encodeValue(value) }))
}

function encodeValue(value: string | number | undefined): object {
  if (typeof value !== 'number') return { stringValue: value ?? '' }
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}
