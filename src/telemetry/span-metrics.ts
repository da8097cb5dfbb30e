/** What became of spans. */
import { Counter } from 'prom-client'
import type { Registry } from 'prom-client'
import { metricNames } from './metric-names.ts'

/** Spans so far. */
export interface SpanCounts {
  readonly exported: number
  readonly dropped: number
  readonly failed: number
}

export function addSpanMetrics(registry: Registry, counts: SpanCounts): void {
  const spans: Counter = new Counter({
    ...metricNames.spans,
    labelNames: ['outcome'],
    registers: [registry],
    collect: () => {
      spans.reset()
      for (const outcome of ['exported', 'dropped', 'failed'] as const) spans.inc({ outcome }, counts[outcome])
    },
  })
}
