/** onnxruntime-node behind one small interface: its binding called directly where it has the expected form, else its public API. */
import { createRequire } from 'node:module'
import type * as Onnxruntime from 'onnxruntime-node'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { elementTypeOf } from './datatypes.ts'
import type { Feeds, NativeOptions, NativeSession, NativeValue, Results } from './native-session.ts'

/** Fatal only: ORT writes to stderr; what it warns of at load is collected by `warnings.ts`. */
export const fatal = 4

type Ort = typeof Onnxruntime

/** @throws InferenceError `failed_precondition` with the command that installs onnxruntime-node */
export async function importOrt(): Promise<Ort> {
  try {
    return await import('onnxruntime-node')
  } catch (reason) {
    const isMissing = reason instanceof Error && 'code' in reason && reason.code === 'ERR_MODULE_NOT_FOUND'
    const text = isMissing
      ? 'onnxruntime-node is not installed. Install it: npm install onnxruntime-node'
      : `onnxruntime-node cannot be loaded on ${process.platform}-${process.arch}: ${messageOf(reason)}`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

/** Looked for once: a model that comes back waits for every look. */
let found: { readonly ort: Ort; readonly binding: Binding | undefined } | undefined

async function find(): Promise<NonNullable<typeof found>> {
  const ort = await importOrt()
  ort.env.logLevel = 'fatal'
  return { ort, binding: findBinding() }
}

/**
 * @param model a file, or a whole model in memory
 * @throws Error with onnxruntime's own text where it refuses the model
 */
export async function openNative(model: string | Uint8Array, options: NativeOptions): Promise<NativeSession> {
  const { ort, binding } = (found ??= await find())
  return binding === undefined ? openPublic(ort, model, options) : openDirect(binding, model, options)
}

/** The native class, as onnxruntime-node 1.17 to 1.30 have it: not part of its public API. */
interface BindingSession {
  readonly inputMetadata: readonly BindingValue[]
  readonly outputMetadata: readonly BindingValue[]
  loadModel(file: string, options: NativeOptions): void
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: NativeOptions): void
  run(feeds: Feeds, fetches: Readonly<Record<string, null>>, options: NativeOptions): Results
  dispose(): void
}

interface BindingValue {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: number
  readonly shape?: readonly number[]
  readonly symbolicDimensions?: readonly string[]
}

interface Binding {
  readonly initOrt: () => void
  readonly Session: new () => BindingSession
}

const runOptions: NativeOptions = {}

function openDirect(binding: Binding, model: string | Uint8Array, options: NativeOptions): NativeSession {
  binding.initOrt()
  const started = performance.now()
  const session = new binding.Session()
  if (typeof model === 'string') session.loadModel(model, options)
  else session.loadModel(model.buffer, model.byteOffset, model.byteLength, options)
  return {
    inputs: session.inputMetadata.map(fromBinding),
    outputs: session.outputMetadata.map(fromBinding),
    openMs: performance.now() - started,
    run: (feeds, fetches) => session.run(feeds, fetches, runOptions),
    close: async () => session.dispose(),
  }
}

function fromBinding(value: BindingValue): NativeValue {
  const { name, isTensor, type = 0, shape = [], symbolicDimensions = [] } = value
  const named = shape.map((size, axis) => (size < 0 ? (symbolicDimensions[axis] ?? '') : size))
  return { name, isTensor, elementType: isTensor ? type : 0, shape: named }
}

/**
 * The binding itself, or undefined where this version of the package is built differently. Its `run` is synchronous: that
 * saves a turn of the event loop and a third of the time of a small model (13 instead of 20 µs for iris).
 */
function findBinding(): Binding | undefined {
  try {
    const module: unknown = createRequire(import.meta.url)('onnxruntime-node/dist/binding.js')
    if (typeof module !== 'object' || module === null) return undefined
    if (!('binding' in module && 'initOrt' in module) || typeof module.initOrt !== 'function') return undefined
    const { binding } = module
    if (typeof binding !== 'object' || binding === null || !('InferenceSession' in binding)) return undefined
    const Session = binding.InferenceSession
    if (typeof Session !== 'function') return undefined
    const prototype: unknown = Session.prototype
    if (typeof prototype !== 'object' || prototype === null) return undefined
    const isWhole = ['loadModel', 'run', 'dispose', 'inputMetadata', 'outputMetadata'].every(
      (name) => name in prototype,
    )
    // Checked above, member by member; the arguments are those that the package's own backend.js passes.
    return isWhole ? { initOrt: module.initOrt as () => void, Session: Session as Binding['Session'] } : undefined
  } catch {
    return undefined // an `exports` map may hide the file: the public API does
  }
}

/** The documented way; also what a test runs against the direct one. */
export async function openPublic(ort: Ort, model: string | Uint8Array, options: NativeOptions): Promise<NativeSession> {
  const started = performance.now()
  const { InferenceSession } = ort
  const session = await (typeof model === 'string'
    ? InferenceSession.create(model, options)
    : InferenceSession.create(model, options))
  const Tensor = ort.Tensor
  return {
    inputs: session.inputMetadata.map(fromPublic),
    outputs: session.outputMetadata.map(fromPublic),
    openMs: performance.now() - started,
    async run(feeds, fetches) {
      const tensors: Record<string, InstanceType<Ort['Tensor']>> = {}
      // The constructor checks type and data itself; its overloads know no union of types.
      for (const [name, { type, data, dims }] of Object.entries(feeds)) {
        tensors[name] = new Tensor(type as 'float32', data as Float32Array, dims)
      }
      const results = await session.run(tensors, Object.keys(fetches))
      return results as unknown as Results // its Tensor has these members where `location` is cpu
    },
    close: () => session.release(),
  }
}

type PublicValue = Awaited<ReturnType<Ort['InferenceSession']['create']>>['inputMetadata'][number]

function fromPublic(value: PublicValue): NativeValue {
  if (!value.isTensor) return { name: value.name, isTensor: false, elementType: 0, shape: [] }
  return { name: value.name, isTensor: true, elementType: elementTypeOf(value.type), shape: value.shape }
}
