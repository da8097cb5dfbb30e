/** Loads one SavedModel: signature, device, and a process for it. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError, describeSystem, messageOf, place } from '../../src/runtime/index.ts'
import type { Log, Model, ModelMetadata, ModelSpec } from '../../src/runtime/index.ts'
import { choosePackage } from './choose-package.ts'
import type { PackageChoice, PackageFacts } from './choose-package.ts'
import { installed } from './native.ts'
import { chooseSignature, parseOptions } from './options.ts'
import { readSavedModel } from './saved-model.ts'
import type { MetaGraph, SavedSignature } from './saved-model.ts'
import type { SavedModelInfo, SavedModelOptions } from './session.ts'

const sessionModule = new URL('./session.js', import.meta.url)

/** @throws InferenceError that says what is wrong with the files, the options, the device or the installation */
export async function loadSavedModel(spec: ModelSpec, log: Log, signal: AbortSignal): Promise<Model> {
  if (signal.aborted) throw InferenceError.from(signal.reason)
  const options = parseOptions(spec.options)
  const { graph, signature } = chooseSignature(await readSavedModel(spec.directory), options)
  const signatures = readSignatures(graph, signature, (name, reason) => {
    log.warn({ model: spec.ref.name, signature: name, reason }, 'signature left out')
  })
  if (graph.hasVariables) await checkVariables(spec.directory)
  const choice = choosePackage(spec.device, await packageFacts(spec))
  const sending: SavedModelOptions = {
    ...{ directory: spec.directory, tags: graph.tags, path: choice.path },
    signatures,
    ...(choice.device === 'cpu' ? { visibleDevices: '-1' } : visible(choice)),
  }
  const { runTimeoutMs, instances = 1 } = spec
  const session = await place(sessionModule, sending, 'process', {
    ...{ instances, name: spec.ref.name, log, signal },
    ...(runTimeoutMs === undefined ? {} : { runTimeoutMs }),
  })
  const { isGpu, tensorflowVersion } = session.info as SavedModelInfo // what session.ts gives
  const isFallback = choice.device !== 'cpu' && !isGpu
  if (isFallback && spec.device !== 'auto') {
    await session.close()
    const text = `device ${spec.device} was asked for, but ${choice.name} found no GPU that it can use: CUDA 11 and cuDNN 8 must be where the loader finds them`
    throw new InferenceError('failed_precondition', text)
  }
  const device = isFallback ? 'cpu' : choice.device
  const reason = isFallback ? `${choice.name} found no GPU that it can use` : choice.reason
  log.info({ model: spec.ref.name, version: spec.ref.version, device, device_reason: reason }, 'opened')
  return {
    metadata: {
      platform: 'tensorflow_savedmodel',
      ...sidesOf(signature),
      signatures: signatures.map((one) => ({ name: one.name, methodName: one.methodName, ...sidesOf(one) })),
      parameters: {
        ...{ device, device_reason: reason, placement: 'process' },
        placement_reason: 'TensorFlow can be loaded once in a process',
        ...{ instances, signature: signature.name, signatures: signatures.map(({ name }) => name).join(', ') },
        ...{ method_name: signature.methodName, tensorflow: tensorflowVersion, exported_with: graph.tensorflowVersion },
      },
    },
    memoryBytes: session.memoryBytes ?? (await modelBytes(spec.directory)),
    maxBatchSize: spec.maxBatchSize ?? 0,
    concurrency: instances,
    predict: (batch, abort) => session.run(batch, abort),
    ...(session.onFailure && { onFailure: session.onFailure }),
    close: () => session.close(),
  }
}

/** TensorFlow loads a graph without its variables, and fails at every request. */
async function checkVariables(directory: string): Promise<void> {
  const index = join(directory, 'variables', 'variables.index')
  await stat(index).catch((reason: unknown) => {
    const text = `the SavedModel has variables, but '${index}' is missing: copy the directory again`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  })
}

function visible({ device }: PackageChoice): { readonly visibleDevices?: string } {
  // With the variable set already its own order counts, and the first of it is taken.
  return process.env['CUDA_VISIBLE_DEVICES'] === undefined ? { visibleDevices: device.slice('cuda:'.length) } : {}
}

async function packageFacts({ device }: ModelSpec): Promise<PackageFacts> {
  const gpus = device === 'cpu' ? [] : (await describeSystem()).gpus.map(({ name }) => name)
  const cpu = installed('@tensorflow/tfjs-node')
  const gpu = installed('@tensorflow/tfjs-node-gpu')
  return { gpus, ...(cpu === undefined ? {} : { cpu }), ...(gpu === undefined ? {} : { gpu }) }
}

/** Shapes of a signature are no promise: TensorFlow Serving's clients send others, and the graph tells what it takes. */
function sidesOf({ inputs, outputs }: SavedSignature): Pick<ModelMetadata, 'inputs' | 'outputs'> {
  return { inputs: inputs.map((input) => ({ ...input, isShapeHint: true })), outputs }
}

/**
 * All signatures of a graph by name, behind the one that requests get which name none.
 *
 * @param leftOut is told of those that cannot be served: sparse tensors, datatypes that no protocol has
 */
export function readSignatures(
  graph: MetaGraph,
  first: SavedSignature,
  leftOut: (name: string, reason: string) => void,
): readonly SavedSignature[] {
  const signatures = [first]
  for (const [name, read] of [...graph.signatures].sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (name === first.name) continue
    try {
      signatures.push(read())
    } catch (reason) {
      leftOut(name, messageOf(reason))
    }
  }
  return signatures
}

/** Bytes of the graph and the variables. */
export async function modelBytes(directory: string): Promise<number> {
  const variables = join(directory, 'variables')
  const names = await readdir(variables).catch(() => [])
  const files = [join(directory, 'saved_model.pb'), ...names.map((name) => join(variables, name))]
  const sizes = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
