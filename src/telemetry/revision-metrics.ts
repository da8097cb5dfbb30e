/** The metrics of the revisions that share the requests of a model. */
import { Counter } from 'prom-client'
import type { Registry } from 'prom-client'
import type { RevisionCount } from '../repository/model-repository.ts'
import { metricNames } from './metric-names.ts'

export function addRevisionMetrics(registry: Registry, counts: () => readonly RevisionCount[]): void {
  const requests: Counter = new Counter({
    ...metricNames.revisionRequests,
    labelNames: ['model', 'revision'],
    registers: [registry],
    collect: () => {
      requests.reset()
      for (const { name, revision, requests: count } of counts()) requests.inc({ model: name, revision }, count)
    },
  })
}
