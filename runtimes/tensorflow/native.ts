/** The native package, whichever is installed: what this runtime calls of it, and nothing of its tensors. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'

/** As the addon of tfjs-node takes and gives them; a tensor is a number until its data is asked for. */
export interface Binding {
  readonly TF_Version: string
  readonly TF_ATTR_TYPE: number
  readonly TF_ATTR_BOOL: number
  createTensor(shape: readonly number[], dtype: number, data: unknown): number
  deleteTensor(id: number): void
  tensorDataSync(id: number): unknown
  executeOp(name: string, attributes: readonly Attribute[], inputs: readonly number[], outputs: number): Result[]
  loadSavedModel(path: string, tags: string): number
  deleteSavedModel(id: number): void
  runSavedModel(id: number, inputs: readonly number[], inputNames: string, outputNames: string): Result[]
}

export interface Attribute {
  readonly name: string
  readonly type: number
  readonly value: number | boolean
}

export interface Result {
  readonly id: number
  readonly shape: readonly number[]
  readonly dtype: number
}

export type NativePackage = '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu'

/** Packages that can be found from here or from where the server was started; NODE_PATH counts. */
export function installed(name: string): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(from).resolve(name)
    } catch {
      continue // not there: the next place
    }
  }
  return undefined
}

/** @throws InferenceError `failed_precondition` with what the package says and the command that builds what is missing */
export function openNative(path: string): { readonly binding: Binding; readonly isGpu: boolean } {
  supplyIsNullOrUndefined()
  try {
    const tf: unknown = createRequire(import.meta.url)(path)
    const backend: unknown = isModule(tf) ? tf.backend() : undefined
    const binding = isObject(backend) ? backend['binding'] : undefined
    if (!isObject(backend) || !isObject(binding) || typeof binding['runSavedModel'] !== 'function') {
      throw new Error('it is of another version: 4.22 is needed')
    }
    // The addon's own functions, of which one was looked for; they are those that the package's backend calls.
    return { binding: binding as unknown as Binding, isGpu: backend['isUsingGpuDevice'] === true }
  } catch (reason) {
    const text = `'${path}' cannot be loaded: ${messageOf(reason)}. Install its library: node scripts/install-tensorflow.mjs, or npm rebuild @tensorflow/tfjs-node`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

/** tfjs-node 4.22 calls this function, which is gone since Node 23. */
function supplyIsNullOrUndefined(): void {
  const functions: unknown = createRequire(import.meta.url)('node:util')
  if (!isObject(functions)) return
  functions['isNullOrUndefined'] ??= (value: unknown) => value === undefined || value === null
}

function isModule(value: unknown): value is { backend(): unknown } {
  return isObject(value) && typeof value['backend'] === 'function'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
