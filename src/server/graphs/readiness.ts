/** Graphs follow their models: ready when those are, and gone while one of them is. */
import type { ModelRef } from '../../core/inference.ts'
import type { Repository } from '../../repository/repository.ts'
import type { ModelState, ModelStatus } from '../../repository/status.ts'
import type { ServedGraph } from './served-graph.ts'

export class GraphReadiness {
  readonly #repository: Repository
  /** Those that others call come first. */
  #graphs: readonly ServedGraph[]
  readonly #signal: AbortSignal
  /** Graphs that a caller unloaded stay so until a caller loads them. */
  readonly #unwanted = new Set<string>()
  /** Graphs that are unloaded here, because of a model. */
  readonly #leaving = new Set<string>()
  readonly #end: () => void
  #isStarted = false

  constructor(repository: Repository, graphs: readonly ServedGraph[], signal: AbortSignal) {
    this.#repository = repository
    this.#graphs = graphs
    this.#signal = signal
    this.#end = repository.onChange((status) => this.#onChange(status))
  }

  /** Loads the graphs whose models are ready; the others tell why they are not. Called when the models have loaded. */
  async start(unloaded: ReadonlySet<string>): Promise<readonly ModelStatus[]> {
    this.#isStarted = true
    const statuses: ModelStatus[] = []
    for (const graph of this.#graphs) {
      const { ref, source, dependencies } = graph
      if (unloaded.has(ref.name)) this.#unwanted.add(ref.name)
      const isLeftOut = unloaded.has(ref.name) || dependencies.some((name) => this.#stateOf({ name }) === 'unloaded')
      if (isLeftOut) await this.#unload(graph)
      else await this.#repository.load(source.entry, this.#signal)
      statuses.push(this.#repository.status(ref))
    }
    return statuses
  }

  /** Follows other graphs from here on. @param fresh those among them that were not there before: they are loaded */
  become(graphs: readonly ServedGraph[], fresh: readonly ServedGraph[]): void {
    this.#graphs = graphs
    for (const { ref, source } of fresh) {
      this.#unwanted.delete(ref.name)
      void this.#repository.load(source.entry, this.#signal).catch(ignore)
    }
  }

  /** Follows no more. */
  close(): void {
    this.#end()
  }

  #onChange({ ref, state }: ModelStatus): void {
    for (const graph of this.#graphs) {
      if (graph.ref.name === ref.name) this.#note(ref.name, state)
      else if (this.#isStarted && graph.dependencies.includes(ref.name)) this.#follow(graph)
    }
  }

  #note(name: string, state: ModelState): void {
    if (state === 'unloading' && !this.#leaving.has(name)) this.#unwanted.add(name)
    if (state === 'loading' || state === 'ready') this.#unwanted.delete(name)
  }

  #follow(graph: ServedGraph): void {
    const { ref, source, dependencies } = graph
    if (this.#unwanted.has(ref.name)) return
    const isReady = this.#stateOf(ref) === 'ready'
    if (dependencies.every((name) => this.#stateOf({ name }) === 'ready')) {
      if (!isReady || graph.isOutdated) void this.#repository.load(source.entry, this.#signal).catch(ignore)
    } else if (isReady) void this.#unload(graph)
  }

  async #unload({ ref }: ServedGraph): Promise<void> {
    this.#leaving.add(ref.name)
    try {
      await this.#repository.unload(ref)
    } finally {
      this.#leaving.delete(ref.name)
    }
  }

  #stateOf(ref: ModelRef): ModelState {
    try {
      return this.#repository.status(ref).state
    } catch {
      return 'unloaded' // its name is gone
    }
  }
}

/** The repository is closed: nothing loads any more. */
function ignore(): void {}
