/** What the requests to graphs, and the steps that they ran, have added up to. */
import type { StepRecord } from '../graph/index.ts'
import { ensure, Observations } from './observations.ts'
import { durationBounds } from './request-counts.ts'

/** One step of one graph. */
export class StepCounts {
  /** Seconds, of steps that were waited for to their end. */
  readonly duration = new Observations(durationBounds)
  readonly outcomes = new Map<StepRecord['outcome'], number>()
}

/** All names are those of specifications: callers cannot add any. */
export class GraphCounts {
  /** Answers by HTTP status, by graph. */
  readonly requests = new Map<string, Map<number, number>>()
  /** By graph, node and step. */
  readonly steps = new Map<string, Map<string, Map<string, StepCounts>>>()

  count(graph: string, status: number): void {
    const statuses = ensure(this.requests, graph, () => new Map<number, number>())
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }

  observe(graph: string, { node, step, outcome, durationMs }: StepRecord): void {
    const nodes = ensure(this.steps, graph, () => new Map<string, Map<string, StepCounts>>())
    const steps = ensure(nodes, node, () => new Map<string, StepCounts>())
    const counts = ensure(steps, step, () => new StepCounts())
    counts.outcomes.set(outcome, (counts.outcomes.get(outcome) ?? 0) + 1)
    if (outcome === 'answered' || outcome === 'failed') counts.duration.observe(durationMs / 1000)
  }
}
