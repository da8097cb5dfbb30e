/** What a `saved_model.pb` says of itself, read without TensorFlow: its graphs' tags and signatures. */
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ProtoReader, datatypeOf } from '../../src/codec/index.ts'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { NamedSignature, TensorMetadata } from '../../src/runtime/index.ts'

/** A tensor of a signature: what callers see, and what it is called in the graph: `x:0`. */
export interface SignatureTensor extends TensorMetadata {
  readonly graphName: string
}

export interface SavedSignature extends NamedSignature {
  readonly inputs: readonly SignatureTensor[]
  readonly outputs: readonly SignatureTensor[]
}

/** One graph with its tags. */
export interface MetaGraph {
  readonly tags: readonly string[]
  readonly tensorflowVersion: string
  /** Has variables, whose values are in other files. */
  readonly hasVariables: boolean
  readonly signatures: ReadonlyMap<string, () => SavedSignature>
}

/** The file holds a graph and no weights; protobuf itself ends at 2 GB. */
const mostBytes = 2_147_483_647

/** Signatures that run when a model is loaded, and are for nobody else. */
const hidden = new Set(['__saved_model_init_op', '__saved_model_train_op'])

/**
 * Reads the file of a SavedModel.
 *
 * @param directory of the version
 * @throws InferenceError `failed_precondition` naming the file and what is wrong with it
 */
export async function readSavedModel(directory: string): Promise<readonly MetaGraph[]> {
  const file = join(directory, 'saved_model.pb')
  const bytes = await readWhole(file)
  try {
    const graphs: MetaGraph[] = []
    const reader = new ProtoReader(bytes, 'SavedModel')
    while (reader.next()) {
      if (reader.field === 2 && reader.wireType === lengthType) graphs.push(readMetaGraph(reader.bytes(), file))
      else reader.skip()
    }
    if (graphs.length === 0) throw new InferenceError('failed_precondition', 'it holds no graph')
    return graphs
  } catch (reason) {
    throw broken(file, reason)
  }
}

const lengthType = 2

function readMetaGraph(bytes: Uint8Array, file: string): MetaGraph {
  const signatures = new Map<string, () => SavedSignature>()
  const info: GraphInfo = { tags: [], tensorflowVersion: '' }
  let hasVariables = false
  const reader = new ProtoReader(bytes, 'MetaGraphDef')
  while (reader.next()) {
    if (reader.wireType !== lengthType) reader.skip()
    else if (reader.field === 1) readInfo(reader.bytes(), info)
    else if (reader.field === 2) hasVariables ||= namesVariables(reader.bytes())
    else if (reader.field === 5) {
      const { key, value } = readEntry(reader.bytes(), 'SignatureDef')
      const read = (): SavedSignature => inFile(file, () => readSignature(key, value))
      if (!hidden.has(key)) signatures.set(key, read)
    } else reader.skip()
  }
  return { ...info, hasVariables, signatures }
}

/** Operators that hold a variable; looked for as text, as reading every node of a large graph takes long. */
const variableOperators = ['VarHandleOp', 'VariableV2']

function namesVariables(graph: Uint8Array): boolean {
  const bytes = Buffer.from(graph.buffer, graph.byteOffset, graph.byteLength)
  return variableOperators.some((name) => bytes.includes(name))
}

interface GraphInfo {
  readonly tags: string[]
  tensorflowVersion: string
}

function readInfo(bytes: Uint8Array, info: GraphInfo): void {
  const reader = new ProtoReader(bytes, 'MetaInfoDef')
  while (reader.next()) {
    if (reader.wireType === lengthType && reader.field === 4) info.tags.push(reader.string())
    else if (reader.wireType === lengthType && reader.field === 5) info.tensorflowVersion = reader.string()
    else reader.skip()
  }
}

function readSignature(name: string, bytes: Uint8Array): SavedSignature {
  const inputs: SignatureTensor[] = []
  const outputs: SignatureTensor[] = []
  let methodName = ''
  const reader = new ProtoReader(bytes, 'SignatureDef')
  while (reader.next()) {
    if (reader.wireType !== lengthType || reader.field > 3) reader.skip()
    else if (reader.field === 3) methodName = reader.string()
    else {
      reader.countEntry()
      const { key, value } = readEntry(reader.bytes(), 'TensorInfo')
      const side = reader.field === 1 ? 'input' : 'output'
      const tensors = side === 'input' ? inputs : outputs
      tensors.push(readTensor(key, value, `signature '${name}': ${side} '${key}'`))
    }
  }
  return { name, methodName, inputs: sorted(inputs), outputs: sorted(outputs) }
}

function readTensor(name: string, bytes: Uint8Array, label: string): SignatureTensor {
  let graphName = ''
  let type = 0
  let shape: readonly number[] | undefined = []
  const reader = new ProtoReader(bytes, 'TensorInfo')
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === lengthType) graphName = reader.string()
    else if (reader.field === 2 && reader.wireType === 0) type = reader.uint32()
    else if (reader.field === 3 && reader.wireType === lengthType) shape = readShape(reader.bytes())
    else reader.skip()
  }
  if (graphName === '') throw new InferenceError('failed_precondition', `${label} is no dense tensor`)
  const known = { name, graphName, datatype: datatypeOf(type, label) }
  return shape === undefined ? { ...known, shape: [-1], isAnyRank: true } : { ...known, shape }
}

/** @returns undefined where the rank is not known */
function readShape(bytes: Uint8Array): readonly number[] | undefined {
  const shape: number[] = []
  const reader = new ProtoReader(bytes, 'TensorShapeProto')
  while (reader.next()) {
    if (reader.field === 2 && reader.wireType === lengthType) shape.push(readSize(reader.bytes()))
    else if (reader.field === 3 && reader.wireType === 0) {
      if (reader.bool()) return undefined
    } else reader.skip()
  }
  return shape
}

function readSize(bytes: Uint8Array): number {
  let size = 0
  const reader = new ProtoReader(bytes, 'TensorShapeProto.Dim')
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === 0) size = reader.safeInt64() ?? -1
    else reader.skip()
  }
  return Math.max(-1, size)
}

function readEntry(bytes: Uint8Array, what: string): { readonly key: string; readonly value: Uint8Array } {
  let key = ''
  let value = new Uint8Array(0)
  const reader = new ProtoReader(bytes, `entry of ${what}`)
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === lengthType) key = reader.string()
    else if (reader.field === 2 && reader.wireType === lengthType) value = new Uint8Array(reader.bytes())
    else reader.skip()
  }
  return { key, value }
}

/** Protobuf writes maps in no order: by name it is the same every time. */
function sorted(tensors: readonly SignatureTensor[]): readonly SignatureTensor[] {
  return [...tensors].sort((one, other) => (one.name < other.name ? -1 : 1))
}

async function readWhole(file: string): Promise<Uint8Array> {
  const found = await stat(file).catch((reason: unknown) => {
    throw new InferenceError('failed_precondition', `a SavedModel needs '${file}': ${messageOf(reason)}`)
  })
  if (!found.isFile() || found.size > mostBytes) throw broken(file, `it has ${found.size} bytes, or is no file`)
  const handle = await open(file)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

function inFile<T>(file: string, read: () => T): T {
  try {
    return read()
  } catch (reason) {
    throw broken(file, reason)
  }
}

function broken(file: string, reason: unknown): InferenceError {
  const text = typeof reason === 'string' ? reason : messageOf(reason)
  const message = `'${file}' is no SavedModel, or cut short: ${text}`
  return new InferenceError('failed_precondition', message, { cause: reason })
}
