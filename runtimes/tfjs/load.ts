/** Loads one TensorFlow.js model: packages, a thread or process for it, and a first run. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { InferenceError, messageOf, place, sampleInputs } from '../../src/runtime/index.ts'
import type {
  Log,
  Model,
  ModelMetadata,
  ModelSpec,
  PlacedSession,
  Tensor,
  TensorMetadata,
} from '../../src/runtime/index.ts'
import { FallbackSession } from './fallback-session.ts'
import { parseOptions, type TfjsOptions } from './options.ts'
import { findPackages } from './packages.ts'
import type { TfjsInfo, TfjsSessionOptions } from './session.ts'
import { renaming, type Signature } from './signature.ts'

const sessionModule = new URL('./session.js', import.meta.url)

/** @throws InferenceError that says what is wrong with the files, the options, the device or the installation */
export async function loadTfjs(spec: ModelSpec, log: Log, signal: AbortSignal): Promise<Model> {
  if (signal.aborted) throw InferenceError.from(signal.reason)
  const options = parseOptions(spec.options)
  checkDevice(spec)
  const placed = await openPlaced(spec, options, log, signal)
  try {
    const asked = infoOf(placed)
    const outputs = await firstRun(placed, asked.signature.inputs, signal)
    if (signal.aborted) throw InferenceError.from(signal.reason)
    const info = infoOf(placed)
    const isChanged = info.backend !== asked.backend
    const model = modelOf(spec, placed, {
      ...info,
      signature: complete(info.signature, outputs),
      backendReason: isChanged ? 'the wasm backend cannot compute it' : info.backendReason,
    })
    log.info({ model: spec.ref.name, version: spec.ref.version, backend: info.backend }, 'opened')
    return model
  } catch (reason) {
    await placed.close()
    throw reason
  }
}

async function openPlaced(
  spec: ModelSpec,
  { backend }: TfjsOptions,
  log: Log,
  signal: AbortSignal,
): Promise<FallbackSession> {
  const packages = findPackages()
  const { runTimeoutMs, instances = 1 } = spec
  const { name, version } = spec.ref
  const open = (chosen: TfjsOptions['backend'], during?: AbortSignal): Promise<PlacedSession> => {
    const sending: TfjsSessionOptions = { file: fileOf(spec), packages, backend: chosen }
    return place(sessionModule, sending, placementOf(spec), {
      ...{ instances, name, log },
      ...(during === undefined ? {} : { signal: during }),
      ...(runTimeoutMs === undefined ? {} : { runTimeoutMs }),
    })
  }
  const first = await open(backend, signal)
  if (backend !== 'auto') return new FallbackSession(first, undefined)
  return new FallbackSession(first, (reason) => {
    log.warn({ model: name, version, backend: 'cpu', backend_reason: reason.message }, 'backend changed')
    return open('cpu')
  })
}

/** In a thread or a process of its own: the library has one state, backend included, in each. */
function placementOf({ placement }: ModelSpec): 'thread' | 'process' {
  return placement === 'process' ? 'process' : 'thread'
}

type CompleteInfo = TfjsInfo & { readonly signature: Pick<ModelMetadata, 'inputs' | 'outputs'> }

function modelOf(spec: ModelSpec, placed: FallbackSession, info: CompleteInfo): Model {
  const placement = placementOf(spec)
  const { instances = 1, maxBatchSize = 0 } = spec
  const rename = renaming(info.signature.inputs)
  return {
    metadata: {
      platform: `tfjs_${info.kind}_model`,
      ...info.signature,
      parameters: {
        ...{ device: 'cpu', device_reason: 'TensorFlow.js computes on the CPU', placement },
        placement_reason: placement === 'process' ? 'asked for' : 'the library has one state in each thread',
        ...{ instances, backend: info.backend, backend_reason: info.backendReason },
        ...{ tfjs: info.libraryVersion, ...(info.origin !== '' && { exported_with: info.origin }) },
      },
    },
    memoryBytes: placed.session.memoryBytes ?? info.memoryBytes * instances,
    maxBatchSize,
    concurrency: instances,
    ...(rename && { preprocess: (request) => Promise.resolve(rename(request)) }),
    predict: (batch, abort) => placed.run(batch, abort),
    ...(placed.session.onFailure && { onFailure: (listener) => placed.onFailure(listener) }),
    close: () => placed.close(),
  }
}

function infoOf({ session }: FallbackSession): TfjsInfo {
  return session.info as TfjsInfo // what session.ts gives
}

function checkDevice({ device }: ModelSpec): void {
  if (device === 'auto' || device === 'cpu') return
  const text = `device ${device} was asked for: TensorFlow.js computes on the CPU here; on a GPU serve the SavedModel that it was converted from`
  throw new InferenceError('failed_precondition', text)
}

/** By preference, as what models of that rank usually see. */
const attempts = [
  { integer: 1, isTypical: true },
  { integer: 0, isTypical: true },
  { integer: 1, isTypical: false },
] as const

/** Compiles, and finds out whether the backend has all that the model needs. A model that takes no made-up input is as good as any. */
async function firstRun(
  placed: FallbackSession,
  inputs: readonly TensorMetadata[],
  signal: AbortSignal,
): Promise<readonly Tensor[]> {
  for (const sample of attempts) {
    const made = sampleInputs(inputs, 1, sample)
    if (made === undefined) continue
    try {
      return await placed.run({ inputs: made }, signal)
    } catch (reason) {
      const isFault = reason instanceof InferenceError && reason.code === 'invalid_argument'
      if (!isFault) throw reason // the thread died, the backend that was asked for cannot, the load was given up
    }
  }
  return []
}

/** What the file does not tell, the first run does. */
function complete({ inputs, outputs }: Signature, ran: readonly Tensor[]): Pick<ModelMetadata, 'inputs' | 'outputs'> {
  const datatypeOf = (name: string) => ran.find((output) => output.name === name)?.datatype ?? 'FP32'
  return {
    inputs,
    outputs: outputs.map((output) => ({ ...output, datatype: output.datatype ?? datatypeOf(output.name) })),
  }
}

function fileOf({ file, directory }: ModelSpec): string {
  return file ?? join(directory, 'model.json')
}

/** The library's code and the thread around it. */
const ownBytes = 40_000_000
/** The files as they are read, and the tensors made of them. */
const growth = 2
/** Weights of one byte become four. */
const quantizedGrowth = 5

/** Bytes that a model will take, by its files. */
export async function estimateBytes(spec: ModelSpec): Promise<number> {
  const file = fileOf(spec)
  const text = await readFile(file, 'latin1').catch((reason: unknown) => {
    const message = `a TensorFlow.js model needs '${file}': ${messageOf(reason)}`
    throw new InferenceError('failed_precondition', message, { cause: reason })
  })
  const names = await readdir(dirname(file))
  const sizes = await Promise.all(names.map((name) => stat(join(dirname(file), name))))
  const bytes = sizes.reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0)
  return ownBytes + bytes * (text.includes('"quantization"') ? quantizedGrowth : growth)
}
