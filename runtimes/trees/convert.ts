/** Reads a tree model and makes ONNX of it: runs in a thread of the pool, since a large file takes long to parse. */
import { readFile } from 'node:fs/promises'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { Session } from '../../src/runtime/index.ts'
import { encodeEnsemble } from './onnx-graph.ts'
import { readModel } from './read-model.ts'
import type { ReadOptions } from './read-model.ts'

/** What `open` takes: plain data, it crosses a thread border. */
export interface ConvertOptions extends ReadOptions {
  readonly file: string
}

/** What comes back, plain data as well. */
export interface Converted {
  /** An ONNX model. */
  readonly bytes: Uint8Array
  readonly library: string
  readonly objective: string
  readonly trees: number
}

/** A session for the sake of its `info`, a {@link Converted}: it is closed at once and never runs. */
export async function open(options: unknown): Promise<Session & { readonly info: Converted }> {
  const { file, ...reading } = options as ConvertOptions // made by load.ts
  const info = await convert(file, reading)
  return {
    info,
    run: () => {
      throw new InferenceError('internal', 'a conversion does not predict')
    },
    close: () => Promise.resolve(),
  }
}

async function convert(file: string, options: ReadOptions): Promise<Converted> {
  try {
    const ensemble = readModel(await readFile(file), options)
    const { library, objective, trees } = ensemble
    return { bytes: encodeEnsemble(ensemble), library, objective, trees: trees.treeCount }
  } catch (reason) {
    throw new InferenceError('failed_precondition', `model file '${file}': ${messageOf(reason)}`, { cause: reason })
  }
}
