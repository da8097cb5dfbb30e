/** Reader of golden.json files: cases of inputs and expected outputs that no runtime of ours computed. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import type { FixedDataType, Tensor } from '../../src/runtime/index.ts'
import { elementCount, elementsOf, isDataType, tensor } from '../../src/runtime/index.ts'
import { readPixels } from './pixels.ts'

export interface GoldenCase {
  readonly name: string
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Expected index of the largest value along the last axis, per output. */
  readonly argmax: ReadonlyMap<string, readonly number[]>
  readonly rtol: number
  readonly atol: number
  /** Outputs to ask for; all where absent. */
  readonly fetch?: readonly string[]
  /** The run must fail; onnxruntime's text contains this. */
  readonly error?: string
  /** The run kills the process. */
  readonly crash?: string
  /** The model file, relative to the folder. */
  readonly model: string
  /** Of a SavedModel: its directory, relative to the folder, and the signature. */
  readonly dir?: string
  readonly signature?: string
  /** Inputs that have an initializer. */
  readonly constantInputs: readonly string[]
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
type JsonObject = Readonly<Record<string, Json | undefined>>

/** @param folder of a model with a golden.json */
export function readGolden(folder: string): Promise<readonly GoldenCase[]> {
  return readGoldenFile(join(folder, 'golden.json'))
}

/** @param path of a file as golden.json is */
export async function readGoldenFile(path: string): Promise<readonly GoldenCase[]> {
  const folder = dirname(path)
  const golden = object(JSON.parse(readFileSync(path, 'utf8')) as Json)
  return Promise.all(list(golden['cases']).map((item) => readCase(folder, object(item))))
}

async function readCase(folder: string, json: JsonObject): Promise<GoldenCase> {
  const argmax = new Map<string, readonly number[]>()
  const outputs: Tensor[] = []
  for (const item of list(json['outputs'] ?? []).map(object)) {
    if (item['argmax'] !== undefined) argmax.set(text(item['name']), list(item['argmax']).map(Number))
    if (item['data'] !== undefined || item['file'] !== undefined) outputs.push(await readTensor(folder, item))
  }
  return {
    name: text(json['name'] ?? json['dir']),
    inputs: await Promise.all(list(json['inputs'] ?? []).map((item) => readTensor(folder, object(item)))),
    outputs,
    argmax,
    rtol: Number(json['rtol'] ?? 0),
    atol: Number(json['atol'] ?? 0),
    model: json['model'] === undefined ? 'model.onnx' : text(json['model']),
    constantInputs: list(json['ortNodeIgnores'] ?? []).map(text),
    ...(json['dir'] === undefined ? {} : { dir: text(json['dir']) }),
    ...(typeof json['signature'] === 'string' ? { signature: json['signature'] } : {}),
    ...(json['fetch'] === undefined ? {} : { fetch: list(json['fetch']).map(text) }),
    ...(json['error'] === undefined ? {} : { error: text(json['error']) }),
    ...(json['crash'] === undefined ? {} : { crash: text(json['crash']) }),
  }
}

async function readTensor(folder: string, json: JsonObject): Promise<Tensor> {
  const name = text(json['name'])
  const datatype = text(json['datatype'])
  const shape = list(json['shape']).map(Number)
  if (!isDataType(datatype)) throw new Error(`${folder}: datatype ${datatype}`)
  if (json['png'] !== undefined) {
    const pixels = await readPixels(join(folder, text(json['png'])), {
      mean: list(json['mean']).map(Number),
      std: list(json['std']).map(Number),
      isPlanar: json['layout'] === 'NCHW',
      isBgr: json['order'] === 'bgr',
    })
    return tensor(name, 'FP32', shape, pixels)
  }
  if (json['file'] !== undefined && datatype !== 'BYTES') {
    return tensor(name, datatype, shape, elementsOf(datatype, readFileSync(join(folder, text(json['file'])))))
  }
  const data = list(json['data'])
  if (datatype === 'BYTES') return tensor(name, datatype, shape, data.map(bytes))
  return tensor(name, datatype, shape, numbers(datatype, data))
}

function numbers(datatype: FixedDataType, data: readonly Json[]): Tensor<FixedDataType>['data'] {
  const number = (value: Json): number => (value === null ? NaN : Number(value))
  const big = (value: Json): bigint => BigInt(value as string | number) // integers beyond 2^53 are strings
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return Uint8Array.from(data, number)
    case 'INT8':
      return Int8Array.from(data, number)
    case 'UINT16':
      return Uint16Array.from(data, number)
    case 'INT16':
      return Int16Array.from(data, number)
    case 'UINT32':
      return Uint32Array.from(data, number)
    case 'INT32':
      return Int32Array.from(data, number)
    case 'UINT64':
      return BigUint64Array.from(data, big)
    case 'INT64':
      return BigInt64Array.from(data, big)
    case 'FP16':
      return Uint16Array.from(data, (value) => halfBits(number(value)))
    case 'BF16':
      return Uint16Array.from(data, (value) => (new Uint32Array(Float32Array.of(number(value)).buffer)[0] ?? 0) >>> 16)
    case 'FP32':
      return Float32Array.from(data, number)
    case 'FP64':
      return Float64Array.from(data, number)
  }
}

/** IEEE half bits of a number that is one: goldens hold representable values only. */
function halfBits(value: number): number {
  for (let bits = 0; bits < 65_536; bits += 1) if (Object.is(halfValue(bits), value)) return bits
  throw new Error(`${value} is no half`)
}

export function halfValue(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

function bytes(value: Json): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : Buffer.from(text(object(value)['b64']), 'base64')
}

/** Fails with the first element that differs. */
export function expectClose(actual: readonly Tensor[], golden: GoldenCase): void {
  for (const expected of golden.outputs) {
    const output = actual.find(({ name }) => name === expected.name)
    expect(output, `output ${expected.name}`).toBeDefined()
    if (output === undefined) continue
    expect([output.datatype, output.shape]).toEqual([expected.datatype, expected.shape])
    expect(output.data.length).toBe(elementCount(expected.shape))
    expectElements(output, expected, golden)
  }
  for (const [name, indices] of golden.argmax) {
    const output = actual.find((item) => item.name === name)
    if (output === undefined) throw new Error(`no output ${name}`)
    const values = toNumbers(output)
    const width = output.shape.at(-1) ?? 1
    const found = Array.from({ length: values.length / width }, (_, row) => {
      const part = values.slice(row * width, (row + 1) * width)
      return part.indexOf(Math.max(...part))
    })
    expect(found).toEqual(indices)
  }
}

function expectElements(output: Tensor, expected: Tensor, { rtol, atol }: GoldenCase): void {
  if (output.datatype === 'BYTES' || expected.datatype === 'BYTES') {
    const texts = (data: Tensor['data']): string[] =>
      (data as readonly Uint8Array[]).map((item) => Buffer.from(item).toString('latin1'))
    expect(texts(output.data)).toEqual(texts(expected.data))
    return
  }
  if (!output.datatype.startsWith('FP')) {
    expect(Array.from<number | bigint>(output.data)).toEqual(Array.from<number | bigint>(expected.data))
    return
  }
  const values = toNumbers(output)
  for (const [index, wanted] of toNumbers(expected).entries()) {
    const value = values[index] ?? NaN
    const isClose =
      Object.is(value, wanted) || value === wanted || Math.abs(value - wanted) <= atol + rtol * Math.abs(wanted)
    if (!isClose) expect.fail(`output ${output.name}[${index}]: ${value} instead of ${wanted}`)
  }
}

function toNumbers(item: Tensor): number[] {
  if (item.datatype === 'FP16') return Array.from(item.data, halfValue)
  return Array.from<number | bigint | Uint8Array>(item.data).map(Number)
}

function object(value: Json | undefined): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('golden.json: not an object')
  return value as JsonObject
}

function list(value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value)) throw new Error('golden.json: not a list')
  return value as readonly Json[]
}

function text(value: Json | undefined): string {
  if (typeof value !== 'string') throw new Error('golden.json: not a text')
  return value
}
