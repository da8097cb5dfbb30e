/** The InferenceServices of a state as revisions that are loaded, and the models that they serve. */
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { keyOf, plan, type Manifests, type ObjectKey, type Plan, type PlanOptions } from '../../kserve/index.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import { modelsOf } from '../manifests.ts'
import type { ModelSources, ServedModelSource } from '../models.ts'
import type { DesiredObject, DesiredState, ObjectSource } from './desired.ts'
import type { ObjectSources } from './objects.ts'
import { Rollout } from './rollout.ts'

export interface ServicesParts {
  readonly repository: ModelRepository
  readonly sources: ObjectSources
  readonly planOptions: PlanOptions
  readonly find: (wanted: ModelSources) => Promise<readonly ServedModelSource[]>
  readonly log: Log
  readonly signal: AbortSignal
  readonly now: () => number
}

export class ControlledServices {
  readonly #parts: ServicesParts
  readonly #rollouts = new Map<string, Rollout>()
  /** In which revisions of a service find its ServingRuntime. */
  #manifests: Manifests | undefined

  constructor(parts: ServicesParts) {
    this.#parts = parts
    parts.repository.onChange(({ ref }) => {
      for (const rollout of this.#rollouts.values()) if (rollout.model === ref.name) rollout.reconcile()
    })
  }

  /** Takes the services that the server itself loads. */
  adopt(state: DesiredState, planned: Plan, manifests: Manifests): void {
    this.#manifests = manifests
    for (const object of state.objects) this.#begin(object, planned)?.adopt()
  }

  /** Follows another state, whose plan has been checked. */
  follow(state: DesiredState, planned: Plan, manifests: Manifests): void {
    this.#manifests = manifests
    const left = new Set(state.objects.map(keyOf))
    for (const [key, rollout] of this.#rollouts) {
      const object = state.objects.find((each) => keyOf(each) === key)
      if (left.has(key) && object !== undefined && modelOf(object, planned) !== undefined) continue
      this.#rollouts.delete(key)
      void rollout.close()
    }
    for (const object of state.objects) {
      const target = object.rollout
      if (target === undefined) continue
      const rollout = this.#rollouts.get(keyOf(object)) ?? this.#begin(object, planned)
      rollout?.follow({ ...target, source: object.source })
    }
  }

  /** Waits for the loads that were begun. */
  async settled(): Promise<void> {
    await Promise.all([...this.#rollouts.values()].map((rollout) => rollout.settled()))
  }

  rollout(key: ObjectKey): Rollout | undefined {
    return this.#rollouts.get(keyOf(key))
  }

  /** Looks anew for the models that answer now. */
  async find(): Promise<readonly ServedModelSource[]> {
    const found = await Promise.all(
      [...this.#rollouts].map(async ([key, rollout]) => {
        const { revision, source } = rollout.primary
        const [kind = '', namespace = '', name = ''] = key.split('\0')
        const sources = await this.#find({ kind, namespace, name }, source)
        return sources.map((each) => ({ ...each, entry: { ...each.entry, revision } }))
      }),
    )
    return found.flat()
  }

  #begin(object: DesiredObject, planned: Plan): Rollout | undefined {
    const { rollout: target, source } = object
    const model = modelOf(object, planned)
    if (target === undefined || model === undefined) return undefined
    const { repository, log, signal, now } = this.#parts
    const rollout = new Rollout(
      {
        service: object.name,
        model,
        repository,
        log,
        signal,
        now,
        find: (from) => this.#find(object, from),
      },
      { ...target, source },
    )
    this.#rollouts.set(keyOf(object), rollout)
    return rollout
  }

  async #find(key: ObjectKey, source: ObjectSource): Promise<readonly ServedModelSource[]> {
    const { sources, planOptions, find } = this.#parts
    const { inferenceServices } = sources.manifestsOf(key, source)
    const one = inferenceServices.filter((manifest) => keyOf(manifest) === keyOf(key))
    const around = this.#manifests ?? sources.manifestsOf(key, source)
    const planned = plan({ ...around, inferenceServices: one, inferenceGraphs: [], warnings: [] }, planOptions)
    const found = await find(modelsOf(planned))
    if (found.length > 0) return found
    throw new InferenceError('failed_precondition', `InferenceService '${key.name}' has nothing to load`)
  }
}

function modelOf({ kind, name, namespace }: ObjectKey, { services }: Plan): string | undefined {
  if (kind !== 'InferenceService') return undefined
  return services.find((service) => service.name === name && service.namespace === namespace)?.model
}
