/** A TensorFlow.js model in the thread or process where it lives. */
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { Batch, Session, Tensor } from '../../src/runtime/index.ts'
import { graphExecutor, layersExecutor, type Executor } from './executor.ts'
import { readable } from './keras-topology.ts'
import { openLibrary, type Backend, type Core, type Library } from './library.ts'
import { readModelFile, type ModelFile } from './model-file.ts'
import type { TfjsOptions } from './options.ts'
import type { Packages } from './packages.ts'
import { graphSignature, layersSignature, type Signature } from './signature.ts'
import { receive, send } from './tensors.ts'

/** Plain data: it crosses a thread border. */
export interface TfjsSessionOptions extends TfjsOptions {
  /** The `model.json`, absolute. */
  readonly file: string
  readonly packages: Packages
}

export interface TfjsInfo {
  readonly kind: ModelFile['kind']
  readonly signature: Signature
  readonly backend: Backend
  readonly backendReason: string
  readonly origin: string
  readonly libraryVersion: string
  /** What the thread holds: code, graph and weights, in bytes. */
  readonly memoryBytes: number
}

/** @throws InferenceError `failed_precondition` naming the file and what is wrong with it or the installation */
export async function open(options: unknown): Promise<Session> {
  const { file, packages, backend: wanted } = options as TfjsSessionOptions // what load.ts sent
  const read = await readModelFile(file)
  const { backend, reason } = chooseBackend(wanted, packages, read)
  let notes: string[] = []
  const library = await openLibrary(packages, backend, (text) => notes.length < mostNotes && notes.push(text))
  const { signature, executor } = await loadModel(library, file, read)
  const { core } = library
  let last: Promise<unknown> = Promise.resolve()
  return {
    info: {
      ...{ kind: read.kind, signature, backend, backendReason: reason, origin: read.origin },
      ...{ libraryVersion: core.version_core, memoryBytes: measure(core) },
    } satisfies TfjsInfo,
    // One after the other: scopes, backend and disposal are the library's own state.
    run: (batch) => {
      const ran = last.then(async () => {
        notes = []
        return runModel(core, executor, signature, batch).then(
          (outputs) => (backend === 'wasm' ? trusted(outputs, notes) : outputs),
          (reason: unknown) => {
            throw explained(reason, backend)
          },
        )
      })
      last = ran.catch(() => undefined)
      return ran
    },
    close: async () => {
      await last
    },
  }
}

/** Notes of one run that are kept: the first ones tell. */
const mostNotes = 20

/** @throws InferenceError `failed_precondition` with the command to type where WebAssembly was asked for and is not there */
export function chooseBackend(
  wanted: TfjsOptions['backend'],
  { wasm }: Packages,
  { hasTexts }: Pick<ModelFile, 'hasTexts'>,
): { readonly backend: Backend; readonly reason: string } {
  if (wanted === 'cpu') return { backend: 'cpu', reason: 'asked for' }
  const obstacle =
    wasm === undefined
      ? '@tensorflow/tfjs-backend-wasm is not installed: npm install @tensorflow/tfjs-backend-wasm'
      : hasTexts
        ? 'the model works on texts, which the wasm backend does not compare'
        : undefined
  if (obstacle === undefined) return { backend: 'wasm', reason: wanted === 'wasm' ? 'asked for' : 'installed' }
  if (wanted === 'auto') return { backend: 'cpu', reason: obstacle }
  throw new InferenceError('failed_precondition', `backend wasm was asked for: ${obstacle}`)
}

async function loadModel(
  library: Library,
  file: string,
  { kind, artifacts }: ModelFile,
): Promise<{ readonly signature: Signature; readonly executor: Executor }> {
  const { core } = library
  try {
    if (kind === 'graph') {
      const model = await library.loadGraphModel({ load: () => Promise.resolve(artifacts) })
      return { signature: graphSignature(artifacts, model), executor: graphExecutor(core, model) }
    }
    const model = await library.loadLayersModel({ load: () => Promise.resolve(readable(artifacts)) })
    if (model.inputNames.length === 0) model.build()
    return { signature: layersSignature(model), executor: layersExecutor(model) }
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    const text = `'${file}': TensorFlow.js cannot load it: ${messageOf(reason)}`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

async function runModel(
  core: Core,
  executor: Executor,
  { outputs }: Signature,
  batch: Batch,
): Promise<readonly Tensor[]> {
  const wanted = batch.outputs === undefined ? outputs : outputs.filter(({ name }) => batch.outputs?.includes(name))
  core.engine().startScope()
  try {
    const inputs = Object.fromEntries(batch.inputs.map((input) => [input.name, send(core, input)]))
    const results = await executor(
      inputs,
      wanted.map(({ name }) => name),
    )
    return wanted.flatMap(({ name, datatype }, index) => {
      const result = results[index]
      return result === undefined ? [] : [receive(core, name, datatype, result)]
    })
  } finally {
    core.engine().endScope()
  }
}

/** Kernels that do not know a datatype say so on the console and leave their output as it was. */
function trusted(outputs: readonly Tensor[], notes: readonly string[]): readonly Tensor[] {
  const fault = notes.find((note) => /\bfailed\b|unsupported/i.test(note))
  if (fault !== undefined) throw unimplemented(fault)
  return outputs
}

function explained(reason: unknown, backend: Backend): InferenceError {
  if (reason instanceof InferenceError) return reason
  const text = messageOf(reason)
  const isRuntimeError = reason instanceof Error && reason.constructor.name === 'RuntimeError' // WebAssembly's own
  if (backend === 'wasm' && (isRuntimeError || /not registered for .*wasm|not supported .*wasm/i.test(text))) {
    return unimplemented(text, reason)
  }
  // The model's own fault: no input would help.
  const code = /^Unknown op |not registered for /.test(text) ? 'failed_precondition' : 'invalid_argument'
  return new InferenceError(code, `TensorFlow.js: ${text}`, { cause: reason })
}

/** The one code that makes load.ts take the other backend. */
function unimplemented(text: string, cause?: unknown): InferenceError {
  const message = `TensorFlow.js cannot compute this with WebAssembly: ${text}`
  return new InferenceError('unimplemented', message, cause === undefined ? {} : { cause })
}

function measure(core: Core): number {
  const { heapUsed, external } = process.memoryUsage() // of this thread alone
  return heapUsed + Math.max(external, core.memory().numBytes)
}
