/** Model specifications for tests. */
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

export const never: AbortSignal = new AbortController().signal
