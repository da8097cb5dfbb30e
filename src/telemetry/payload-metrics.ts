/** The metrics of the payload log. */
import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { metricNames } from './metric-names.ts'
import type { PayloadLog } from './payload-log.ts'

export function addPayloadMetrics(registry: Registry, log: Pick<PayloadLog, 'counts' | 'queued'>): void {
  const events: Counter = new Counter({
    ...metricNames.payloadEvents,
    labelNames: ['outcome'],
    registers: [registry],
    collect: () => {
      events.reset()
      for (const [outcome, count] of Object.entries(log.counts)) events.inc({ outcome }, count)
    },
  })
  const queued: Gauge = new Gauge({
    ...metricNames.payloadQueued,
    registers: [registry],
    collect: () => queued.set(log.queued),
  })
}
