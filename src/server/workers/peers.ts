/** The group as one of its workers sees it: counts, readiness and changes go through the primary. */
import { InferenceError } from '../../core/errors.ts'
import type { LogSettings } from '../../dataplane/log-settings.ts'
import type { RepositoryControl } from '../../dataplane/model-control.ts'
import type { LogControl, Peers } from '../../dataplane/peers.ts'
import type { ModelStatistics } from '../../dataplane/statistics.ts'
import type { DesiredState } from '../control/desired.ts'
import type { MeshChange } from '../modelmesh/mesh-change.ts'
import type { Exchange } from './exchange.ts'
import { snapshotSchema, type Snapshot } from './messages.ts'

/** A hung worker takes one second of the primary's time; this is for a primary that does not answer at all. */
const sumMs = 5000

export class GroupPeers implements Peers {
  readonly #exchange: Exchange
  readonly #listeners = new Set<() => void>()
  #isReady = false

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  get isReady(): boolean {
    return this.#isReady
  }

  become(isReady: boolean): void {
    this.#isReady = isReady
    for (const listener of this.#listeners) listener()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async statistics(): Promise<readonly ModelStatistics[]> {
    const { statistics } = await this.#sum()
    // Sums of what the workers' own data planes gave, field by field.
    return statistics as unknown as readonly ModelStatistics[]
  }

  /** The metrics of all, in Prometheus' text format. */
  async metrics(): Promise<string> {
    return (await this.#sum()).metrics
  }

  /** Changes of models, made in every worker. */
  get control(): RepositoryControl {
    const ask = async (verb: 'load' | 'unload' | 'reload', argument: unknown): Promise<void> => {
      await this.#exchange.ask({ kind: 'control', verb, argument })
    }
    return {
      load: (name, override) => ask('load', override === undefined ? name : { name, override }),
      unload: (name) => ask('unload', name),
      reload: (configs) => ask('reload', configs),
    }
  }

  /** Has every worker serve what a state says. */
  async objects(state: DesiredState): Promise<void> {
    await this.#exchange.ask({ kind: 'control', verb: 'objects', argument: state })
  }

  /** Makes a change of names in every worker. */
  async names(change: MeshChange): Promise<void> {
    await this.#exchange.ask({ kind: 'control', verb: 'names', argument: change })
  }

  /** Log settings, changed in every worker. */
  logControl(own: LogSettings): LogControl {
    const exchange = this.#exchange
    return {
      get values() {
        return own.values
      },
      update: async (values) => {
        await exchange.ask({ kind: 'settings', subject: 'log', values: { ...values } })
        return own.values
      },
    }
  }

  async updateTrace(values: Readonly<Record<string, unknown>>, model?: string): Promise<void> {
    const named = model === undefined ? {} : { model }
    await this.#exchange.ask({ kind: 'settings', subject: 'trace', values: { ...values }, ...named })
  }

  async #sum(): Promise<Snapshot> {
    const parsed = snapshotSchema.safeParse(await this.#exchange.ask({ kind: 'snapshot' }, sumMs))
    if (parsed.success) return parsed.data
    throw new InferenceError('internal', 'the counts of the workers could not be read', { cause: parsed.error })
  }
}
