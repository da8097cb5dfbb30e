/** A runtime whose loads end when the test says so, and that counts what is open. */
import type { Model, Runtime } from '../../../src/core/model.ts'
import { directoryWith } from '../../repository/directories.ts'

export interface GatedRuntime {
  readonly runtime: Runtime
  /** Directory of a model that it loads. */
  readonly path: string
  /** Names in the order in which their loads began. */
  readonly begun: readonly string[]
  /** Instances that are open now. */
  readonly open: Map<string, number>
  /** Lets every load end from now on, those under way included. */
  release(): void
  /** Makes the loaded model of this name tell that it is broken for good. */
  breakDown(name: string): void
}

export async function gatedRuntime({ isGated = true } = {}): Promise<GatedRuntime> {
  const path = await directoryWith({ 'model.yaml': 'runtime: gated\nformat: gated\nfile: weights', weights: 'w' })
  const gate = withResolvers()
  if (!isGated) gate.resolve()
  const begun: string[] = []
  const open = new Map<string, number>()
  const broken = new Map<string, (reason: Error) => void>()
  const count = (name: string, by: number): void => void open.set(name, (open.get(name) ?? 0) + by)
  const runtime: Runtime = {
    api: 1,
    name: 'gated',
    formats: ['gated'],
    // As a native load, it cannot be interrupted.
    load: async ({ ref: { name } }) => {
      begun.push(name)
      await gate.promise
      count(name, 1)
      const model: Model = {
        metadata: { platform: 'gated', inputs: [{ name: 'x', datatype: 'INT32', shape: [-1] }], outputs: [] },
        memoryBytes: 123_456,
        maxBatchSize: 0,
        concurrency: 3,
        predict: () => Promise.resolve([]),
        onFailure: (listener) => void broken.set(name, listener),
        close: () => Promise.resolve(count(name, -1)),
      }
      return model
    },
  }
  return {
    runtime,
    path,
    begun,
    open,
    release: gate.resolve,
    breakDown: (name) => broken.get(name)?.(new Error('gone')),
  }
}

function withResolvers() {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}
