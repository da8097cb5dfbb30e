/** The transformers and explainers of a server that run outside of it, by the models that they stand in for. */
import { InferenceError } from '../../core/errors.ts'
import type { DataPlane, Verb } from '../../dataplane/dataplane.ts'
import type { PlannedService } from '../../kserve/index.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { ModelStatus } from '../../repository/status.ts'
import type { ComponentExchange, RestComponents } from '../../rest/options.ts'
import type { ServedModelSource } from '../models.ts'
import type { ForwardReply } from './forwarder.ts'
import { ServedComponent, type ComponentSurroundings } from './served-component.ts'

type ServiceParts = Pick<PlannedService, 'model' | 'protocol' | 'components'>

export class Components implements RestComponents {
  readonly #around: ComponentSurroundings
  readonly #byName = new Map<string, ServedComponent>()
  /** Names of components by model, for each verb. */
  readonly #standIns: Record<Verb, Map<string, string>> = { infer: new Map(), explain: new Map() }

  constructor(around: ComponentSurroundings) {
    this.#around = around
  }

  /** What the repository is told of them. */
  get sources(): readonly ServedModelSource[] {
    return [...this.#byName.values()].map(({ source }) => source)
  }

  /**
   * Takes the components of a service; requests for its model go to them from here on.
   *
   * @param isTaken names that other models and graphs have
   * @returns their sources, for who loads them
   * @throws InferenceError `invalid_argument` where a name is taken
   */
  add({ model, protocol, components }: ServiceParts, isTaken: (name: string) => boolean): readonly ServedModelSource[] {
    const served = components.map((planned) => ({
      planned,
      component: new ServedComponent(model, protocol, planned, this.#around),
    }))
    for (const { planned, component } of served) {
      const { name } = component.ref
      if (!isTaken(name)) continue
      const message = `${planned.place}: the ${planned.role} is listed as '${name}', and that is a model already: rename it`
      throw new InferenceError('invalid_argument', message)
    }
    for (const { planned, component } of served) {
      this.#byName.set(component.ref.name, component)
      this.#standIns[planned.role === 'explainer' ? 'explain' : 'infer'].set(model, component.ref.name)
    }
    return served.map(({ component }) => component.source)
  }

  /** Forgets the components of a model: it answers itself. Unloading them is up to who forgets. @returns their names */
  remove(model: string): readonly string[] {
    const names = (['infer', 'explain'] as const).flatMap((verb) => {
      const name = this.#standIns[verb].get(model)
      this.#standIns[verb].delete(model)
      return name ?? []
    })
    for (const name of names) this.#byName.delete(name)
    return names
  }

  standIn(model: string, verb: Verb): string | undefined {
    return this.#standIns[verb].get(model)
  }

  async answer(dataPlane: DataPlane, name: string, { path, body, context }: ComponentExchange): Promise<ForwardReply> {
    const component = this.#byName.get(name)
    if (component === undefined) throw new InferenceError('not_found', `Model with name ${name} does not exist.`)
    const told: { reply?: ForwardReply } = {}
    await dataPlane.passThrough({ name }, context, async (_handle, { headers, signal, requestId }) => {
      told.reply = await component.post(path, { headers: { 'x-request-id': requestId, ...headers }, body, signal })
    })
    if (told.reply?.status === 200) context.wire?.onAnswer?.(told.reply.body)
    if (told.reply === undefined) throw new InferenceError('internal', `component '${name}' gave no answer`)
    return told.reply
  }

  /** Loads all of them, once the models behind them are loaded. @param unloaded names of those that callers have unloaded */
  start(
    repository: ModelRepository,
    signal: AbortSignal,
    unloaded: ReadonlySet<string>,
  ): Promise<readonly ModelStatus[]> {
    return Promise.all(
      this.sources.map(async ({ ref, entry }) => {
        if (!unloaded.has(ref.name)) return repository.load(entry, signal)
        await repository.unload(ref)
        return repository.status(ref)
      }),
    )
  }

  /** Closes the connections; the repository ends the programs. */
  close(): void {
    this.#around.forwarder.close()
  }
}
