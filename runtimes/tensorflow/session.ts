/** A SavedModel in the process where it lives. */
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { Batch, Session, Tensor } from '../../src/runtime/index.ts'
import { openNative } from './native.ts'
import type { Binding, Result } from './native.ts'
import type { SavedSignature } from './saved-model.ts'
import { receive, send } from './transport.ts'

/** Plain data: it crosses a process border. */
export interface SavedModelOptions {
  readonly directory: string
  readonly tags: readonly string[]
  /** The first is that of batches which name none. */
  readonly signatures: readonly SavedSignature[]
  /** File of the native package. */
  readonly path: string
  /** As `CUDA_VISIBLE_DEVICES` has it; '-1' for none; as it is where absent. */
  readonly visibleDevices?: string
}

export interface SavedModelInfo {
  readonly isGpu: boolean
  readonly tensorflowVersion: string
}

/** @throws InferenceError `failed_precondition` naming the directory and what TensorFlow says of it */
export async function open(options: unknown): Promise<Session> {
  const { directory, tags, path, visibleDevices, signatures } = options as SavedModelOptions // what load.ts sent
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2' // its notes of every load are no errors
  if (visibleDevices !== undefined) process.env['CUDA_VISIBLE_DEVICES'] = visibleDevices
  const { binding, isGpu } = openNative(path)
  const id = loadGraph(binding, directory, tags)
  const info: SavedModelInfo = { isGpu, tensorflowVersion: binding.TF_Version }
  return {
    info,
    run: (batch) => runGraph(binding, id, signatureOf(signatures, batch), batch),
    close: async () => binding.deleteSavedModel(id),
  }
}

function loadGraph(binding: Binding, directory: string, tags: readonly string[]): number {
  try {
    return binding.loadSavedModel(directory, tags.join(','))
  } catch (reason) {
    const text = `TensorFlow cannot load the SavedModel '${directory}': ${messageOf(reason)}`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

function signatureOf(signatures: readonly SavedSignature[], { parameters }: Batch): SavedSignature {
  const name = parameters?.['signature_name']
  const found = name === undefined ? signatures[0] : signatures.find((signature) => signature.name === name)
  if (found !== undefined) return found
  throw new InferenceError('invalid_argument', `Serving signature key "${String(name)}" not found.`)
}

function runGraph(
  binding: Binding,
  model: number,
  { inputs, outputs }: SavedSignature,
  batch: Batch,
): readonly Tensor[] {
  const wanted = batch.outputs === undefined ? outputs : outputs.filter(({ name }) => batch.outputs?.includes(name))
  const sent: number[] = []
  let results: readonly Result[] = []
  try {
    const names = batch.inputs.map((input) => {
      const known = inputs.find(({ name }) => name === input.name)
      if (known === undefined)
        throw new InferenceError('invalid_argument', `the signature has no input '${input.name}'`)
      sent.push(send(binding, input))
      return known.graphName
    })
    results = binding.runSavedModel(model, sent, names.join(','), wanted.map(({ graphName }) => graphName).join(','))
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    throw new InferenceError('invalid_argument', `TensorFlow: ${messageOf(reason)}`, { cause: reason })
  } finally {
    for (const id of sent) binding.deleteTensor(id)
  }
  return wanted.flatMap(({ name, datatype }, index) => {
    const result = results[index]
    return result === undefined ? [] : [receive(binding, name, datatype, result)]
  })
}
