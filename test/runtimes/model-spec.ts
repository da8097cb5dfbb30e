/** Model specifications for tests. */
import { setMaxListeners } from 'node:events'
import { basename, dirname } from 'node:path'
import type { ModelSpec } from '../../src/runtime/index.ts'

/** A specification with defaults around a model file. */
export function specOf(file: string, changes: Partial<ModelSpec> = {}): ModelSpec {
  const directory = dirname(file)
  return {
    ref: { name: basename(directory), version: '1' },
    format: 'onnx',
    directory,
    file,
    device: 'cpu',
    placement: 'auto',
    maxQueueSize: 100,
    options: {},
    ...changes,
  }
}

/** Handed to any number of calls at once. */
export const never: AbortSignal = new AbortController().signal
setMaxListeners(1000, never)
