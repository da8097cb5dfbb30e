/** The library where a session lives: what this runtime calls of it. */
import { createRequire } from 'node:module'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { Artifacts } from './model-file.ts'
import type { Packages } from './packages.ts'

export type Backend = 'wasm' | 'cpu'

export interface TfTensor {
  readonly shape: readonly number[]
  /** `float32`, `int32`, `bool`, `string` or `complex64`. */
  readonly dtype: string
  readonly dataId: object
  dispose(): void
}

export interface TensorPrototype {
  dispose: (this: TfTensor) => void
}

interface Engine {
  startScope(): void
  /** Frees what was made since the scope began. */
  endScope(): void
  /** Of `string`: one byte string per element; else the elements, perhaps those of the tensor itself. */
  readSync(dataId: object): Float32Array | Int32Array | Uint8Array | readonly Uint8Array[]
}

export interface Core {
  readonly version_core: string
  readonly Tensor: { readonly prototype: TensorPrototype }
  tensor(values: unknown, shape: readonly number[], dtype: string): TfTensor
  setBackend(name: string): Promise<boolean>
  engine(): Engine
  memory(): { readonly numBytes: number; readonly numTensors: number }
}

export type GraphTensors = Readonly<Record<string, TfTensor>>

export interface GraphModel {
  readonly inputs: readonly SymbolicTensor[]
  readonly outputNodes: readonly string[]
  execute(inputs: GraphTensors, outputs: readonly string[]): TfTensor | readonly TfTensor[]
  executeAsync(inputs: GraphTensors, outputs: readonly string[]): Promise<TfTensor | readonly TfTensor[]>
}

export interface SymbolicTensor {
  readonly name: string
  readonly shape?: readonly (number | null)[] | null
  readonly dtype?: string
}

export interface LayersModel {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly inputs: readonly SymbolicTensor[]
  readonly outputs: readonly SymbolicTensor[]
  readonly stateful: boolean
  predictOnBatch(inputs: TfTensor | readonly TfTensor[]): TfTensor | readonly TfTensor[]
  resetStates(): void
  /** Of a `Sequential`: gives it its names. */
  build(): void
}

interface Handler {
  load(): Promise<Artifacts>
}

export interface Library {
  readonly core: Core
  loadGraphModel(handler: Handler): Promise<GraphModel>
  loadLayersModel(handler: Handler): Promise<LayersModel>
}

/**
 * Imports the packages and starts a backend.
 *
 * @param onNote told what the library would write to the console: its kernels tell there, and nowhere else, that they
 *   computed nothing
 * @throws InferenceError `failed_precondition` where a package does not load or the backend does not start
 */
export async function openLibrary(
  packages: Packages,
  backend: Backend,
  onNote: (text: string) => void,
): Promise<Library> {
  const note = (...parts: readonly unknown[]): void => onNote(parts.map(String).join(' '))
  Object.assign(console, { log: note, info: note, warn: note, error: note }) // of this thread or process alone
  try {
    const require = createRequire(import.meta.url)
    const core = require(packages.core) as Core // 4.x, of which peerDependencies speak
    require(packages.cpu)
    if (backend === 'wasm' && packages.wasm !== undefined) require(packages.wasm)
    const { loadGraphModel } = require(packages.converter) as Pick<Library, 'loadGraphModel'>
    const { loadLayersModel } = require(packages.layers) as Pick<Library, 'loadLayersModel'>
    if (!(await core.setBackend(backend))) throw new Error(`its backend '${backend}' does not start`)
    return { core, loadGraphModel, loadLayersModel }
  } catch (reason) {
    const text = `TensorFlow.js cannot be loaded: ${messageOf(reason)}. Its packages must all be of one version 4.x`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}
