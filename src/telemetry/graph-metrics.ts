/** The metrics of graphs. */
import { Counter } from 'prom-client'
import type { Registry } from 'prom-client'
import type { GraphCounts, StepCounts } from './graph-counts.ts'
import { metricNames } from './metric-names.ts'
import { ObservedHistogram, type Labels } from './observed-histogram.ts'
import { durationBounds } from './request-counts.ts'

export function addGraphMetrics(registry: Registry, counts: GraphCounts): void {
  const requests: Counter = new Counter({
    ...metricNames.graphRequests,
    labelNames: ['graph', 'code'],
    registers: [registry],
    collect: () => {
      requests.reset()
      for (const [graph, statuses] of counts.requests) {
        for (const [status, count] of statuses) requests.inc({ graph, code: String(status) }, count)
      }
    },
  })
  const steps: Counter = new Counter({
    ...metricNames.graphSteps,
    labelNames: ['graph', 'node', 'step', 'outcome'],
    registers: [registry],
    collect: () => {
      steps.reset()
      for (const [labels, { outcomes }] of stepsOf(counts)) {
        for (const [outcome, count] of outcomes) steps.inc({ ...labels, outcome }, count)
      }
    },
  })
  registry.registerMetric(
    new ObservedHistogram(metricNames.graphStepDuration, ['graph', 'node', 'step'], durationBounds, function* () {
      for (const [labels, { duration }] of stepsOf(counts)) yield [labels, duration]
    }),
  )
}

function* stepsOf(counts: GraphCounts): Generator<readonly [Labels, StepCounts]> {
  for (const [graph, nodes] of counts.steps) {
    for (const [node, steps] of nodes) for (const [step, one] of steps) yield [{ graph, node, step }, one]
  }
}
