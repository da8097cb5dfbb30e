/** The objects of a server under control: shown, applied, deleted and rolled out while it serves. */
import { randomUUID } from 'node:crypto'
import { InferenceError } from '../../core/errors.ts'
import {
  objectsOf,
  plan,
  resources,
  withoutObject,
  type Manifest,
  type Manifests,
  type ObjectKey,
  type Plan,
  type Resource,
} from '../../kserve/index.ts'
import type { ControlPath, ControlReply, ControlRequest, RestControl } from '../../rest/control-routes.ts'
import type { GraphDefinition, ServiceDefinitions } from '../graphs/definition.ts'
import {
  objectOf,
  withObject,
  withoutDesired,
  withPercent,
  type DesiredObject,
  type DesiredState,
  type ObjectSource,
  type Outcome,
} from './desired.ts'
import type { TextSource } from './objects.ts'
import { contentOf } from './present.ts'
import { ServiceHosts } from './hosts.ts'
import { ControlledServices, type ServicesParts } from './services.ts'
import { ObjectViews, type ViewParts } from './views.ts'

/** Changes that meet at the same time are made anew from what the other one left; more often than this nobody meets. */
const attempts = 5

export interface ControlParts extends ServicesParts, ViewParts {
  /** What the manifests of the start make. */
  readonly planned: Plan
  /** A name that a model or a graph has which no manifest brought. */
  readonly isTaken: (name: string) => boolean
  /** Serves these graphs of manifests and no others. @throws InferenceError where one cannot be; nothing has changed then */
  readonly setGraphs: (
    graphs: readonly GraphDefinition[],
    services: ServiceDefinitions,
    models: ReadonlySet<string>,
  ) => void
  /** What else follows the services: limits, transformers, explainers. */
  readonly setServices: (planned: Plan) => void
  /** Has every process {@link Control.become} the state; this one alone where absent. */
  readonly share?: ((state: DesiredState) => Promise<void>) | undefined
}

type Named = Required<Pick<ControlPath, 'name'>> & { readonly key: ObjectKey }

export class Control implements RestControl {
  readonly #parts: ControlParts
  readonly #services: ControlledServices
  readonly hosts: ServiceHosts
  readonly #views: ObjectViews
  #state: DesiredState
  #manifests: Manifests
  #planned: Plan

  constructor(parts: ControlParts) {
    this.#parts = parts
    this.#services = new ControlledServices(parts)
    this.#state = parts.sources.startState(parts.now())
    this.#manifests = parts.sources.all(this.#state)
    this.#planned = parts.planned
    const shown = { state: this.#state, manifests: this.#manifests, planned: this.#planned }
    this.#views = new ObjectViews(parts, this.#services, shown)
    this.hosts = new ServiceHosts(({ namespace, name }, tag) => {
      const report = this.#services.rollout({ kind: 'InferenceService', namespace, name })?.report
      if (tag === undefined) return report?.shares[0]?.revision
      return (tag === 'latest' ? report?.latest : report?.previous)?.name
    })
    this.hosts.become(this.#planned.services)
    this.#services.adopt(this.#state, this.#planned, this.#manifests)
    // So that conditions have the time of the change, not that of the next look at them.
    parts.repository.onChange(({ ref }) => this.#views.note(ref.name))
  }

  /** Looks anew for the models of the services. */
  find(): ReturnType<ControlledServices['find']> {
    return this.#services.find()
  }

  /** Waits for the loads that {@link become} began. */
  settled(): Promise<void> {
    return this.#services.settled()
  }

  /**
   * Serves what a state says; loads go on afterwards.
   *
   * @throws InferenceError `failed_precondition` where another change came first; `invalid_argument` where it cannot be served;
   *   nothing has changed then
   */
  become(state: DesiredState): void {
    if (state.version <= this.#state.version) throw conflict()
    const { sources, planOptions, setGraphs, setServices, isTaken } = this.#parts
    const manifests = sources.all(state)
    const planned = plan(manifests, planOptions)
    for (const { name, place } of planned.models) {
      if (isTaken(name)) throw invalid(`${place}: the model '${name}' is served from another path already`)
    }
    const models = new Set(planned.models.map(({ name }) => name))
    const services = planned.services.map(({ name, model, protocol }) => [name, { model, protocol }] as const)
    setGraphs(planned.graphs, Object.fromEntries(services), models)
    this.#state = state
    this.#manifests = manifests
    this.#planned = planned
    setServices(planned)
    this.hosts.become(planned.services)
    this.#services.follow(state, planned, manifests)
    this.#views.become({ state, manifests, planned })
  }

  async handle({ method, path, body, file }: ControlRequest): Promise<ControlReply> {
    const resource = resources.find(
      ({ apiVersion, plural }) => apiVersion === path.apiVersion && plural === path.plural,
    )
    if (resource === undefined) throw notFound('the server could not find the requested resource')
    const { name, part } = path
    if (name === undefined) {
      if (method === 'GET') return { status: 200, body: this.#views.list(resource, path.namespace) }
      if (method === 'POST') return this.#apply(resource, path, { text: body, file: file ?? 'body' }, true)
      throw notAllowed(method)
    }
    const namespace = resource.isNamespaced ? (path.namespace ?? 'default') : ''
    const named: Named = { name, key: { kind: resource.kind, namespace, name } }
    if (part !== undefined) return this.#handlePart(method, named, part)
    if (method === 'GET') return { status: 200, body: this.#views.show(this.#known(named.key)) }
    if (method === 'PUT') return this.#apply(resource, path, { text: body, file: file ?? 'body' }, false)
    if (method === 'DELETE') return this.#delete(named.key)
    throw notAllowed(method)
  }

  async #handlePart(method: string, { key }: Named, part: string): Promise<ControlReply> {
    const isRollout = part === 'promote' || part === 'undo'
    if (part !== 'status' && !isRollout) throw notFound('the server could not find the requested resource')
    if (part === 'status' && method === 'GET') return { status: 200, body: this.#views.show(this.#known(key)) }
    if (!isRollout || method !== 'POST') throw notAllowed(method)
    await this.#change(() => {
      const object = this.#known(key)
      const percent = part === 'promote' ? this.#promoted(object) : this.#undone(object)
      return withPercent(this.#state, object, percent)
    })
    return { status: 200, body: this.#views.show(this.#known(key)) }
  }

  async #apply(
    resource: Resource,
    path: ControlPath,
    text: Omit<TextSource, 'namespace'>,
    isNew: boolean,
  ): Promise<ControlReply> {
    const given: TextSource = { ...text, namespace: path.namespace ?? 'default' }
    const { manifest, warnings } = this.#read(resource, path, given)
    const source: ObjectSource = { kind: 'text', ...given }
    const done: { outcome: Outcome } = { outcome: 'unchanged' }
    await this.#change(() => {
      const known = objectOf(this.#state, manifest)
      if (isNew && known !== undefined) throw conflict(`${resource.plural} "${manifest.name}" already exists`)
      const next = withObject(this.#state, {
        kind: manifest.kind,
        namespace: manifest.namespace,
        name: manifest.name,
        source,
        content: contentOf(manifest, { source }),
        ...this.#before(known),
        nowMs: this.#parts.now(),
        uid: randomUUID(),
      })
      done.outcome = next.outcome
      return next.state
    })
    const body = this.#views.show(this.#known(manifest))
    const { outcome } = done
    return {
      status: outcome === 'created' ? 201 : 200,
      body,
      warnings: [...warnings, ...this.#warnings(given)],
      outcome,
    }
  }

  #before(known: DesiredObject | undefined) {
    if (known === undefined) return {}
    const rolledOut = this.#services.rollout(known)?.rolledOut
    const before = contentOf(this.#parts.sources.manifestOf(known, known.source), known)
    return { before, ...(rolledOut === undefined ? {} : { rolledOut }) }
  }

  /** Of the plan, about this very text. */
  #warnings({ file }: { readonly file: string }): readonly string[] {
    return this.#planned.warnings.filter((warning) => warning.startsWith(`${file}:`))
  }

  #read(
    { kind, isNamespaced }: Resource,
    { namespace, name }: ControlPath,
    given: TextSource,
  ): { readonly manifest: Manifest<unknown>; readonly warnings: readonly string[] } {
    const { file } = given
    const manifests = this.#parts.sources.read(given)
    const [manifest, second] = objectsOf(manifests)
    if (manifest === undefined) throw invalid(manifests.warnings[0] ?? `${file}:1: holds no ${kind}`)
    const place = manifest.where([])
    if (second !== undefined) throw invalid(`${second.where([])}: a request has one object`)
    if (manifest.kind !== kind) throw invalid(`${place}: kind: is '${manifest.kind}', the path is that of ${kind}`)
    if (name !== undefined && manifest.name !== name) {
      throw invalid(
        `${manifest.where(['metadata', 'name'])}: metadata.name: is '${manifest.name}', the path says '${name}'`,
      )
    }
    if (isNamespaced && namespace !== undefined && manifest.namespace !== namespace) {
      const at = manifest.where(['metadata', 'namespace'])
      throw invalid(`${at}: metadata.namespace: is '${manifest.namespace}', the path says '${namespace}'`)
    }
    return { manifest, warnings: manifests.warnings }
  }

  async #delete(key: ObjectKey): Promise<ControlReply> {
    const shown = this.#views.show(this.#known(key))
    await this.#change(() => {
      this.#known(key)
      plan(withoutObject(this.#manifests, key), this.#parts.planOptions)
      return withoutDesired(this.#state, key)
    })
    return { status: 200, body: shown }
  }

  #promoted(object: DesiredObject): number {
    const { latest, previous, shares } = this.#report(object)
    if (previous === undefined || (shares.length === 1 && shares[0]?.revision === latest.name)) {
      throw conflict(`${latest.name} has all of the traffic: nothing to promote`)
    }
    if (latest.state === 'Loaded' || latest.state === 'Standby') return 100
    throw conflict(
      `${latest.name} is not ready (${latest.state}${latest.reason === undefined ? '' : `: ${latest.reason}`})`,
    )
  }

  #undone(object: DesiredObject): number {
    const { latest, previous, percent } = this.#report(object)
    if (previous === undefined) throw conflict(`${latest.name} is the first revision: there is none to go back to`)
    if (percent === 0) throw conflict(`${latest.name} has none of the traffic already`)
    return 0
  }

  #report(object: DesiredObject) {
    const rollout = this.#services.rollout(object)
    if (object.kind !== 'InferenceService') throw invalid(`${object.kind} '${object.name}' has no revisions`)
    if (rollout === undefined) throw conflict(`InferenceService '${object.name}' is stopped`)
    return rollout.report
  }

  /** @param next works out the state to become, from the one that is */
  async #change(next: () => DesiredState): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const state = next()
      if (state.version === this.#state.version) return
      try {
        await this.#become(state)
        return
      } catch (reason) {
        const isLate = reason instanceof InferenceError && reason.message.endsWith(conflictMessage)
        if (!isLate || attempt === attempts) throw reason
      }
    }
  }

  async #become(state: DesiredState): Promise<void> {
    if (this.#parts.share === undefined) this.become(state)
    else await this.#parts.share(state)
  }

  #known(key: ObjectKey): DesiredObject {
    const object = objectOf(this.#state, key)
    if (object !== undefined) return object
    const plural = resources.find(({ kind }) => kind === key.kind)?.plural ?? key.kind
    const group = key.kind === 'Secret' || key.kind === 'ServiceAccount' ? '' : '.serving.kserve.io'
    throw notFound(`${plural}${group} "${key.name}" not found`)
  }
}

const conflictMessage = 'another change came first, try again'

function conflict(message = conflictMessage): InferenceError {
  return new InferenceError('failed_precondition', message)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}

function notFound(message: string): InferenceError {
  return new InferenceError('not_found', message)
}

function notAllowed(method: string): InferenceError {
  return new InferenceError('unimplemented', `the server does not allow ${method} on the requested resource`)
}
