/** What a SavedModel says of itself, without TensorFlow. */
import type { ModelSpec, NamedSignature } from '../../src/runtime/index.ts'
import { readSignatures } from './load.ts'
import { chooseSignature, parseOptions } from './options.ts'
import { readSavedModel } from './saved-model.ts'

export interface SavedModelFacts {
  readonly tags: readonly string[]
  /** Of the TensorFlow that wrote it. */
  readonly exportedWith: string
  /** That of requests which name none comes first. */
  readonly signatures: readonly NamedSignature[]
  /** Names of those that cannot be served, each with the reason. */
  readonly leftOut: Readonly<Record<string, string>>
}

/** @throws InferenceError `failed_precondition` naming the file or the option and what is wrong with it */
export async function inspectSavedModel({
  directory,
  options,
}: Pick<ModelSpec, 'directory' | 'options'>): Promise<SavedModelFacts> {
  const { graph, signature } = chooseSignature(await readSavedModel(directory), parseOptions(options))
  const leftOut = new Map<string, string>()
  const signatures = readSignatures(graph, signature, (name, reason) => leftOut.set(name, reason))
  const { tags, tensorflowVersion } = graph
  return { tags, exportedWith: tensorflowVersion, signatures, leftOut: Object.fromEntries(leftOut) }
}
