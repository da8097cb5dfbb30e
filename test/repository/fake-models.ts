/** Models that do nothing, for tests of what happens around them. */
import type { Hooks, Model, ModelSpec } from '../../src/core/model.ts'
import type { LoadedModel, ModelEntry } from '../../src/repository/entry.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'

export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: Error): void
}

export function deferred<T = void>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }))
  return {
    promise,
    resolve: (value) => settle?.resolve(value),
    reject: (reason) => settle?.reject(reason),
  }
}

export interface FakeModel extends Model {
  isClosed: boolean
  /** Told apart by it. */
  readonly label: string
}

export function fakeModel(label = 'a', parts: Partial<Model> = {}): FakeModel {
  const model: FakeModel = {
    label,
    isClosed: false,
    metadata: {
      platform: 'fake',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
      parameters: { device: 'cpu', placement: 'inline' },
    },
    memoryBytes: 100,
    maxBatchSize: 0,
    concurrency: 1,
    predict: () => Promise.resolve([]),
    close: () => {
      model.isClosed = true
      return Promise.resolve()
    },
    ...parts,
  }
  return model
}

/** @param load what its load gives, a model or a failure */
export function fakeEntry(
  name: string,
  version: string,
  load: Model | ((signal: AbortSignal) => Promise<Model | LoadedModel>) = fakeModel(),
  hooks: readonly Hooks[] = [],
): ModelEntry {
  return {
    ref: { name, version },
    runtime: 'fake',
    load: async (signal) => {
      const loaded = typeof load === 'function' ? await load(signal) : load
      if ('hooks' in loaded) return loaded
      const scheduled = schedule(loaded, { name, maxQueueSize: 100 })
      const model = Object.assign(loaded, { scheduling: () => scheduled.scheduling() })
      return { model, hooks } // tests know the model by its identity
    },
  }
}

export function fakeSpec(parts: Partial<ModelSpec> = {}): ModelSpec {
  return {
    ref: { name: 'm', version: '1' },
    format: 'fake',
    directory: '/',
    device: 'auto',
    placement: 'auto',
    maxQueueSize: 10,
    options: {},
    ...parts,
  }
}
