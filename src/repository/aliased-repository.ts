/** A repository whose models also answer to other names. A model's own name comes before an alias. */
import type { ModelRef } from '../core/inference.ts'
import type { ModelRepository } from './model-repository.ts'
import type { ModelHandle, Repository } from './repository.ts'
import type { ModelStatus, ServedMetadata } from './status.ts'

/** Names that lead to models. */
export interface Names {
  readonly isEmpty: boolean
  /** Where the next request goes; undefined for a name that is none of these. */
  next(name: string, canAnswer: (ref: ModelRef) => boolean): ModelRef | undefined
  /** Where questions go. */
  first(name: string): ModelRef | undefined
}

/** A name may lead elsewhere while a request waits for a model that leaves: so often it follows. */
const mostTries = 8

export class AliasedRepository implements Repository {
  readonly #models: ModelRepository
  readonly #names: readonly Names[]

  /** @param names those that come first count */
  constructor(models: ModelRepository, names: readonly Names[]) {
    this.#models = models
    this.#names = names
  }

  use<T>(ref: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T> {
    const target = this.#next(ref)
    return target === undefined ? this.#models.use(ref, work) : this.#follow(ref, target, work)
  }

  metadata(ref: ModelRef): ServedMetadata {
    return this.#models.metadata(this.named(ref))
  }

  peek(ref: ModelRef): ServedMetadata | undefined {
    return this.#models.peek(this.named(ref))
  }

  check(ref: ModelRef): void {
    this.#models.check(this.named(ref))
  }

  wake(ref: ModelRef): Promise<void> | undefined {
    return this.#models.wake(this.named(ref))
  }

  status(ref: ModelRef): ModelStatus {
    return this.#models.status(this.named(ref))
  }

  list(): readonly ModelStatus[] {
    return this.#models.list()
  }

  get isReady(): boolean {
    return this.#models.isReady
  }

  load(...parts: Parameters<Repository['load']>): Promise<ModelStatus> {
    return this.#models.load(...parts)
  }

  unload(ref: ModelRef): Promise<void> {
    return this.#models.unload(ref)
  }

  onChange(listener: (status: ModelStatus) => void): () => void {
    return this.#models.onChange(listener)
  }

  close(): Promise<void> {
    return this.#models.close()
  }

  named(ref: ModelRef): ModelRef {
    for (const names of this.#names) {
      const target = names.isEmpty ? undefined : names.first(ref.name)
      if (target !== undefined) return this.#models.has(ref.name) ? ref : versioned(target, ref)
    }
    return ref
  }

  #next(ref: ModelRef): ModelRef | undefined {
    for (const names of this.#names) {
      if (names.isEmpty || names.first(ref.name) === undefined || this.#models.has(ref.name)) continue
      const target = names.next(ref.name, (each) => this.#canAnswer(versioned(each, ref)))
      if (target !== undefined) return versioned(target, ref)
    }
    return undefined
  }

  #canAnswer(ref: ModelRef): boolean {
    try {
      this.#models.check(ref)
      return true
    } catch {
      return false // told to who asks for it
    }
  }

  /** Until a lease is had: what happens under one is the answer. */
  async #follow<T>(ref: ModelRef, first: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T> {
    let isLeased = false
    const leased = (model: ModelHandle): Promise<T> => {
      isLeased = true
      return work(model)
    }
    let target = first
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#models.use(target, leased)
      } catch (reason) {
        const next = this.#next(ref)
        const isOther = next !== undefined && (next.name !== target.name || next.version !== target.version)
        if (isLeased || !isOther || tries === mostTries) throw reason
        target = next
      }
    }
  }
}

/** A version that the caller names comes before that of the target. */
function versioned(target: ModelRef, { version }: ModelRef): ModelRef {
  return version === undefined ? target : { name: target.name, version }
}
