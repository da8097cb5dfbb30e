/** Files of warm-up requests: V2 JSON, and TensorFlow Serving's records. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { JsonReader } from '../codec/json-reader.ts'
import { ascii } from '../codec/json-string.ts'
import { readRecords } from '../codec/tensorflow/record.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import {
  decodeByteStrings,
  elementBytes,
  elementCount,
  elementsOf,
  tensor,
  type DataType,
  type Tensor,
} from '../core/tensor.ts'
import type { ModelSpec } from '../core/model.ts'
import { hookFile } from '../hooks/hook-file.ts'
import { lastFacts } from '../runtime/file-print.ts'
import { isInside } from './discovered-model.ts'
import { mostWarmUps } from './warmup-yaml.ts'

/** Far above what warms a model up, and read at once. */
const mostBytes = 64_000_000

/** Where TensorFlow Serving looks, within the directory of a version. */
const servingFile = join('assets.extra', 'tf_serving_warmup_requests')

/**
 * The requests of a file of V2 JSON, each still as JSON: one request, an array of them, or one after the other.
 *
 * @param path absolute
 * @param root the model's directory, or its file where it stands alone
 * @throws InferenceError `failed_precondition` naming the file
 */
export async function readJsonRequests(path: string, root: string): Promise<readonly Uint8Array[]> {
  const bytes = await readBounded(await hookFile('warmup', path, root))
  return inFile(path, () => splitJson(bytes))
}

/**
 * The records of TensorFlow Serving's file, each a PredictionLog.
 *
 * @param spec of the loaded model
 * @param root as in {@link readJsonRequests}
 * @returns undefined where there is no such file
 * @throws InferenceError `failed_precondition` naming the file and the record
 */
export async function readServingRecords(
  { directory, file }: Pick<ModelSpec, 'directory' | 'file'>,
  root: string,
): Promise<{ readonly path: string; readonly records: readonly Uint8Array[] } | undefined> {
  if (file !== undefined && dirname(file) === directory && lastFacts(file)?.isAlone === true) return undefined
  const path = join(directory, servingFile)
  if (!isInside(root, path)) return undefined // beside a file that stands alone: another model's
  const isThere = await stat(path).then(
    () => true,
    () => false,
  )
  if (!isThere) return undefined
  const bytes = await readBounded(await hookFile('warmup', path, root))
  return { path, records: inFile(path, () => readRecords(bytes, mostWarmUps)) }
}

/**
 * The elements of one tensor, as they lie in memory.
 *
 * @param path absolute
 * @param root as in {@link readJsonRequests}
 * @throws InferenceError `failed_precondition` naming the file
 */
export async function readRawTensor(
  path: string,
  root: string,
  { name, datatype, shape }: { readonly name: string; readonly datatype: DataType; readonly shape: readonly number[] },
): Promise<Tensor> {
  const bytes = await readBounded(await hookFile('warmup', path, root))
  const count = elementCount(shape)
  return inFile(path, () => {
    if (datatype === 'BYTES') return tensor(name, datatype, shape, decodeByteStrings(bytes, count, `input '${name}'`))
    const expected = count * elementBytes(datatype)
    if (bytes.byteLength === expected) return tensor(name, datatype, shape, elementsOf(datatype, bytes))
    const text = `input '${name}' of shape [${shape.join(',')}] takes ${expected} bytes, the file has ${bytes.byteLength}`
    throw new InferenceError('failed_precondition', text)
  })
}

/** Runs what reads a file. @throws InferenceError `failed_precondition` with the file's path before what is wrong */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (reason) {
    throw new InferenceError('failed_precondition', `warmup: ${path}: ${messageOf(reason)}`, { cause: reason })
  }
}

async function readBounded(path: string): Promise<Uint8Array> {
  const { size } = await stat(path)
  if (size > mostBytes) {
    throw new InferenceError(
      'failed_precondition',
      `warmup: ${path} has ${size} bytes; a file of warm-up requests may have ${mostBytes}`,
    )
  }
  return readFile(path)
}

function splitJson(bytes: Uint8Array): readonly Uint8Array[] {
  const reader = new JsonReader(bytes)
  const requests: Uint8Array[] = []
  const take = (): void => {
    if (requests.length === mostWarmUps) throw reader.error(`There are more than ${mostWarmUps} requests`)
    if (reader.peek() !== ascii.openBrace) throw reader.error('A request must be an object')
    const start = reader.pos
    reader.skipValue()
    requests.push(bytes.subarray(start, reader.pos))
  }
  if (reader.peek() === ascii.openBracket) {
    for (let open = reader.openArray(); open; open = reader.nextElement()) take()
    reader.end()
  } else {
    while (reader.peek() !== 0) take()
  }
  return requests
}
