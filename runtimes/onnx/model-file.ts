/** What an ONNX file says of itself, read without its weights: versions, signature, operators, external files. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, isAbsolute, resolve, sep } from 'node:path'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { readModel } from './model-proto.ts'
import type { ReadAt } from './wire-reader.ts'

/** An input or output of the graph. `elementType` is ONNX's number; 0 where it is no tensor (sequence, map, optional). */
export interface GraphValue {
  readonly name: string
  readonly elementType: number
  /** A number where fixed, a name where symbolic ('' without one); absent where the file gives no shape at all. */
  readonly dimensions?: readonly (number | string)[]
}

export interface ExternalFile {
  /** As in the model, relative to its directory. */
  readonly location: string
  readonly path: string
  /** 0 where it does not exist. */
  readonly bytes: number
  readonly exists: boolean
}

/** What {@link readModel} finds. Nodes of subgraphs are counted with the others. */
export interface ModelProto {
  irVersion: number
  producer: string
  producerVersion: string
  /** Operator set version per domain; '' is ai.onnx. */
  readonly opsets: Record<string, number>
  readonly inputs: GraphValue[]
  readonly outputs: GraphValue[]
  readonly initializers: string[]
  /** Nodes per operator. */
  readonly operators: Record<string, number>
  readonly externalLocations: string[]
  readonly metadata: Record<string, string>
  hasGraph: boolean
}

export interface OnnxFile extends Omit<ModelProto, 'externalLocations' | 'hasGraph'> {
  readonly fileBytes: number
  readonly externalFiles: readonly ExternalFile[]
}

/**
 * Reads the head of a model. Synchronous: call it in a worker thread, or where nothing else waits.
 * @throws InferenceError `failed_precondition` saying what is wrong with the file and what to do
 */
export function readModelFile(file: string): OnnxFile {
  const descriptor = open(file)
  try {
    const stat = fstatSync(descriptor)
    if (stat.isDirectory()) throw bad(file, 'is a directory, not an ONNX file')
    refuseLookalikes(file, descriptor, stat.size)
    const readAt: ReadAt = (target, offset, length, position) => readSync(descriptor, target, offset, length, position)
    const { externalLocations, hasGraph, ...model } = read(file, readAt, stat.size)
    if (!hasGraph) throw bad(file, 'is no ONNX model: it holds no graph')
    const externalFiles = externalLocations.map((location) => externalFile(file, location))
    const missing = externalFiles.find((external) => !external.exists)
    if (missing !== undefined) {
      const text = `keeps weights in '${missing.location}', which is not beside it: copy '${missing.path}' there`
      throw bad(file, text)
    }
    return { ...model, fileBytes: stat.size, externalFiles }
  } finally {
    closeSync(descriptor)
  }
}

function open(file: string): number {
  try {
    return openSync(file, 'r')
  } catch (reason) {
    const text = `cannot open model file '${file}': ${messageOf(reason)}`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

/** The same of a model in memory, which keeps all its weights inside. */
export function readModelBytes(name: string, bytes: Uint8Array): OnnxFile {
  const readAt: ReadAt = (target, offset, length, position) => {
    const part = bytes.subarray(position, position + length)
    target.set(part, offset)
    return part.byteLength
  }
  const { externalLocations, hasGraph, ...model } = read(name, readAt, bytes.byteLength)
  if (!hasGraph || externalLocations.length > 0) throw bad(name, 'is no whole ONNX model in memory')
  return { ...model, fileBytes: bytes.byteLength, externalFiles: [] }
}

function read(file: string, readAt: ReadAt, size: number): ModelProto {
  try {
    return readModel(readAt, size)
  } catch (reason) {
    if (!(reason instanceof InferenceError)) throw reason
    throw new InferenceError(reason.code, `model file '${file}': ${reason.message}`)
  }
}

/** First bytes of what is found under the name of a model now and then, and what to say of it. */
const lookalikes: readonly (readonly [string, string])[] = [
  ['version https://git-lfs', 'is a Git LFS pointer, not the model: run `git lfs pull` where it was cloned'],
  ['<', 'is a text of HTML or XML, perhaps the error page of a download, not an ONNX model'],
  ['{', 'is JSON, not an ONNX model'],
  ['PK\u0003\u0004', 'is a zip archive, not an ONNX model: unpack it, or export the model to ONNX'],
  ['\u0089HDF', 'is HDF5 (Keras), not an ONNX model: export it to ONNX'],
]

function refuseLookalikes(file: string, descriptor: number, size: number): void {
  if (size === 0) throw bad(file, 'is empty (0 bytes): copy or download it again')
  const head = Buffer.alloc(64)
  const length = readSync(descriptor, head, 0, head.length, 0)
  const text = head.toString('latin1', 0, length)
  for (const [start, what] of lookalikes) if (text.startsWith(start)) throw bad(file, what)
}

function externalFile(file: string, location: string): ExternalFile {
  const directory = resolve(dirname(file))
  const path = resolve(directory, location)
  if (isAbsolute(location) || !path.startsWith(directory + sep)) {
    throw bad(file, `keeps weights in '${location}', outside its own directory: that is refused`)
  }
  const exists = existsSync(path)
  return { location, path, exists, bytes: exists ? statSync(path).size : 0 }
}

function bad(file: string, what: string): InferenceError {
  return new InferenceError('failed_precondition', `model file '${file}' ${what}`)
}
