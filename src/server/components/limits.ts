/** `timeout` and `containerConcurrency` of a service, as limits of what answers for it. */
import type { LimitTable } from '../../dataplane/service-limits.ts'
import type { PlannedService } from '../../kserve/index.ts'
import { componentName } from './served-component.ts'

/** Takes over the limits of a service's components; those it has none of are lifted. */
export function setLimits(table: LimitTable, { model, limits }: Pick<PlannedService, 'model' | 'limits'>): void {
  for (const role of ['predictor', 'transformer', 'explainer'] as const) {
    const name = role === 'predictor' ? model : componentName(model, role)
    const given = limits[role]
    if (given === undefined) {
      table.delete(name)
      continue
    }
    const { timeoutSeconds, concurrency } = given
    table.set(name, {
      ...(timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }),
      ...(concurrency === undefined ? {} : { concurrency }),
    })
  }
}
