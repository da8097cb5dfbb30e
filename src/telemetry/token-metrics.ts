/** Tokens of generating models: how many, and when their text came. */
import { Counter, type Registry } from 'prom-client'
import type { TokenEvent } from '../dataplane/dataplane.ts'
import { metricNames } from './metric-names.ts'
import { ensure, Observations } from './observations.ts'
import { ObservedHistogram } from './observed-histogram.ts'

/** Those of vLLM, in seconds, so that its dashboards read the same. */
const firstBounds: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
]
const nextBounds: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
]

class ModelTokens {
  promptTokens = 0
  completionTokens = 0
  readonly first = new Observations(firstBounds)
  readonly next = new Observations(nextBounds)
}

export class TokenCounts {
  readonly byModel = new Map<string, ModelTokens>()

  /** @param model a model that exists */
  add(model: string, event: TokenEvent): void {
    const tokens = ensure(this.byModel, model, () => new ModelTokens())
    switch (event.kind) {
      case 'first':
        return tokens.first.observe(event.ms / 1000)
      case 'next':
        return tokens.next.observe(event.ms / 1000)
      case 'usage':
        tokens.promptTokens += event.promptTokens ?? 0
        tokens.completionTokens += event.completionTokens ?? 0
    }
  }
}

export function addTokenMetrics(registry: Registry, { byModel }: TokenCounts): void {
  for (const key of ['promptTokens', 'completionTokens'] as const) {
    const counter: Counter = new Counter({
      ...metricNames[key],
      labelNames: ['model'],
      registers: [registry],
      collect: () => {
        counter.reset()
        for (const [model, tokens] of byModel) counter.inc({ model }, tokens[key])
      },
    })
  }
  const histograms = [
    ['first', metricNames.firstToken, firstBounds],
    ['next', metricNames.interToken, nextBounds],
  ] as const
  for (const [key, name, bounds] of histograms) {
    registry.registerMetric(
      new ObservedHistogram(name, ['model'], bounds, function* () {
        for (const [model, tokens] of byModel) yield [{ model }, tokens[key]]
      }),
    )
  }
}
