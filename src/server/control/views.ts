/** The objects of a server with their status, as its API shows them. */
import { keyOf, type Manifests, type ObjectKey, type Plan, type Resource } from '../../kserve/index.ts'
import { ConditionTimes, type Condition } from './conditions.ts'
import type { DesiredObject, DesiredState } from './desired.ts'
import type { ObjectSources } from './objects.ts'
import { documentOf, listOf } from './present.ts'
import { serviceStatus } from './service-status.ts'
import type { ControlledServices } from './services.ts'

export interface ViewParts {
  readonly sources: ObjectSources
  /** State of a model or graph, as its condition shows it. */
  readonly conditionOf: (name: string) => Omit<Condition, 'type'>
  /** Of host names: `example.com`. */
  readonly domain: string
  /** Base URL of REST; undefined until the server listens. */
  readonly http: () => string | undefined
  readonly now: () => number
}

/** What is served. */
export interface Shown {
  readonly state: DesiredState
  readonly manifests: Manifests
  readonly planned: Plan
}

export class ObjectViews {
  readonly #around: ViewParts
  readonly #services: ControlledServices
  readonly #times = new Map<string, ConditionTimes>()
  #shown: Shown

  constructor(around: ViewParts, services: ControlledServices, shown: Shown) {
    this.#around = around
    this.#services = services
    this.#shown = shown
  }

  /** Shows these from here on. */
  become(shown: Shown): void {
    this.#shown = shown
    const keys = new Set(shown.state.objects.map(keyOf))
    for (const key of this.#times.keys()) if (!keys.has(key)) this.#times.delete(key)
  }

  list({ kind, apiVersion }: Resource, namespace: string | undefined): object {
    const own = this.#shown.state.objects.filter(
      (object) => object.kind === kind && (namespace === undefined || object.namespace === namespace),
    )
    const sorted = own.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
    const items = sorted.map((object) => this.show(object))
    return listOf(kind, apiVersion, items, this.#shown.state.version)
  }

  show(object: DesiredObject): object {
    return documentOf(object, this.#around.sources.manifestOf(object, object.source), this.#statusOf(object))
  }

  #statusOf(object: DesiredObject): object | undefined {
    if (object.kind === 'InferenceService') return this.#serviceStatus(object)
    if (object.kind !== 'InferenceGraph') return undefined
    const { name, namespace } = object
    const { conditionOf, domain, http } = this.#around
    const base = http()
    return {
      ...(base === undefined ? {} : { address: { url: `${base}/serving/${namespace}/${name}` } }),
      conditions: this.#stamp(object, [{ type: 'Ready', ...conditionOf(name) }]),
      url: `http://${name}.${namespace}.${domain}`,
    }
  }

  #serviceStatus(object: DesiredObject): object {
    const { name, namespace } = object
    const { conditionOf, domain, http } = this.#around
    const service = this.#shown.planned.services.find((each) => each.name === name && each.namespace === namespace)
    const components = (service?.components ?? []).map(
      ({ role }) =>
        [
          role === 'transformer' ? 'Transformer' : 'Explainer',
          conditionOf(`${service?.model ?? name}-${role}`).status === 'True',
        ] as const,
    )
    const runtime = service?.runtime
    const { conditions, fields } = serviceStatus({
      name,
      namespace,
      domain,
      http: http(),
      runtime: runtime === undefined ? undefined : { name: runtime, isCluster: this.#isCluster(runtime, namespace) },
      components: Object.fromEntries(components),
      rollout: this.#services.rollout(object)?.report,
    })
    return { ...fields, conditions: this.#stamp(object, conditions) }
  }

  /** Takes note of when the conditions of a model or graph change. */
  note(model: string): void {
    for (const object of this.#shown.state.objects) {
      const isOfModel = this.#services.rollout(object)?.model === model
      if (isOfModel || (object.kind === 'InferenceGraph' && object.name === model)) this.#statusOf(object)
    }
  }

  #isCluster(runtime: string, namespace: string): boolean {
    return !this.#shown.manifests.servingRuntimes.some((each) => each.name === runtime && each.namespace === namespace)
  }

  #stamp(key: ObjectKey, conditions: readonly Condition[]) {
    let times = this.#times.get(keyOf(key))
    if (times === undefined) {
      times = new ConditionTimes()
      this.#times.set(keyOf(key), times)
    }
    return times.stamp(conditions, this.#around.now())
  }
}
