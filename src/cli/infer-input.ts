/** `--input` of `servable infer`: texts and files made tensors, with the model's metadata to tell what is meant. */
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { inputTensor, type ShapedInput } from '../client/tensor-of.ts'
import type { ModelDescription, TensorDescription } from '../codec/description.ts'
import { decodeV1Request, decodeV2Request } from '../codec/index.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { InferenceRequest } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import { nearest } from '../core/nearest.ts'
import { isDataType, type Tensor } from '../core/tensor.ts'
import { decodeNpy } from './npy.ts'
import { parseValues } from './values.ts'

export interface InputArguments {
  /** As typed: `x=1,2`, `@request.json`. */
  readonly inputs: readonly string[]
  /** As typed: `x=1,4`. */
  readonly shapes: readonly string[]
  /** As typed: `x=FP32`. */
  readonly datatypes: readonly string[]
}

/** Inputs, and what a whole request in a file says beside them. */
export type ReadRequest = Pick<InferenceRequest, 'inputs' | 'outputs' | 'parameters' | 'id'>

/**
 * @param description of the model, with empty lists where the server tells nothing
 * @throws InferenceError `invalid_argument` that names the option and says what would be right
 */
export async function readInputs(
  given: InputArguments,
  description: ModelDescription,
  protocol: 'v1' | 'v2',
): Promise<ReadRequest> {
  const described = withOverrides(given, description.inputs)
  if (given.inputs.length === 0 && described.size > 0) {
    const taken = [...described.values()].map(
      ({ name, datatype, shape }) => `${name} ${datatype ?? ''}[${shape?.join(',') ?? ''}]`,
    )
    throw invalid(`--input is missing: model '${description.name}' takes ${taken.join(', ')}`)
  }
  const inputs: Tensor[] = []
  for (const text of given.inputs) {
    const split = splitName(text, described, description.name)
    const { value } = split
    // V1 sends a single input without its name.
    const name = split.name ?? (protocol === 'v1' && described.size === 0 ? 'input-0' : undefined)
    const request =
      value.startsWith('@') && extname(value) === '.json' ? await wholeRequest(value, description) : undefined
    if (request !== undefined) return request
    if (name === undefined) {
      const known = description.inputs.map((input) => `--input '${input.name}=…'`)
      const which = known.length === 0 ? "--input 'NAME=…'" : known.join(' ')
      throw invalid(`--input ${text.slice(0, 40)}: say which input it is: ${which}`)
    }
    inputs.push(await readInput(name, value, described.get(name)))
  }
  return { inputs }
}

interface Described extends TensorDescription {
  /** Given by `--shape`. */
  readonly wanted?: readonly number[]
}

function withOverrides(given: InputArguments, inputs: readonly TensorDescription[]): ReadonlyMap<string, Described> {
  const described = new Map<string, Described>(inputs.map((input) => [input.name, input]))
  const only = inputs.length === 1 ? inputs[0]?.name : undefined
  const split = (text: string, option: string) => {
    const equals = text.lastIndexOf('=')
    const name = equals === -1 ? only : text.slice(0, equals)
    if (name === undefined) throw invalid(`${option} ${text}: expected NAME=…`)
    return { name, value: text.slice(equals + 1), known: described.get(name) ?? { name } }
  }
  for (const text of given.shapes) {
    const { name, value, known } = split(text, '--shape')
    const parts = value.replace(/^\[|\]$/g, '').split(',')
    const wanted = parts.filter((part) => part.trim() !== '').map(Number)
    if (wanted.some((dimension) => !Number.isInteger(dimension) || dimension < -1)) {
      throw invalid(`--shape ${text}: expected whole numbers, such as ${name}=1,4`)
    }
    described.set(name, { ...known, wanted })
  }
  for (const text of given.datatypes) {
    const { name, value, known } = split(text, '--datatype')
    const datatype = value.toUpperCase()
    if (!isDataType(datatype))
      throw invalid(`--datatype ${text}: expected FP32, INT64, BYTES or another of the V2 protocol`)
    described.set(name, { ...known, datatype })
  }
  return described
}

/** The name may be left out where the model has one input; a text for that input may hold an equals sign itself. */
function splitName(text: string, described: ReadonlyMap<string, Described>, model: string) {
  const names = [...described.keys()]
  const only = described.size === 1 ? names[0] : undefined
  const named = names.find((name) => text.startsWith(`${name}=`)) ?? /^([^\s"'[{@,=]+)=/.exec(text)?.[1]
  if (named === undefined) return { name: only, value: text }
  const value = text.slice(named.length + 1)
  if (described.size === 0 || described.has(named)) return { name: named, value }
  if (only !== undefined && described.get(only)?.datatype === 'BYTES') return { name: only, value: text }
  const near = nearest(named, names)
  const hint = near === undefined ? `it has ${names.map((name) => `'${name}'`).join(', ')}` : `did you mean '${near}'?`
  throw invalid(`--input ${named}=…: model '${model}' has no input '${named}', ${hint}`)
}

async function readInput(name: string, value: string, described: Described | undefined): Promise<Tensor> {
  const input = value.startsWith('@') ? await readInputFile(value, name, described) : textInput(value, name, described)
  const shape = described?.wanted ?? input.shape
  const datatype = described?.datatype ?? input.datatype
  const isOwnShape = described?.wanted === undefined && described?.shape !== undefined
  return inputTensor(
    name,
    { data: input.data, ...(datatype && { datatype }), ...(shape && !isOwnShape && { shape }) },
    described,
  )
}

function textInput(text: string, name: string, described: Described | undefined): ShapedInput {
  const label = `--input ${name}`
  if (described?.datatype === 'BYTES') {
    if (!/^\s*["[]/.test(text)) return { data: [text] }
    try {
      return { data: parseValues(text, label) }
    } catch {
      return { data: [text] } // a text that begins like JSON and is none
    }
  }
  if (described?.datatype !== undefined || /^\s*[[\d"+.-]|^(true|false|NaN|inf)/i.test(text)) {
    return { data: parseValues(text, label) }
  }
  return { data: [text] }
}

async function readInputFile(value: string, name: string, described: Described | undefined): Promise<ShapedInput> {
  const path = value.slice(1)
  const bytes = await read(path, `--input ${name}`)
  switch (extname(path).toLowerCase()) {
    case '.npy': {
      const { datatype, shape, data } = decodeNpy(bytes, path)
      // A typed array stays as it is; the model's datatype, where another, is converted to, element by element.
      return { datatype, shape, data }
    }
    case '.json':
      return { data: parseValues(bytes.toString('utf8'), path) }
    case '.txt':
    case '.csv':
      return textInput(bytes.toString('utf8').replace(/\r?\n$/, ''), name, described)
    default: {
      if (described?.datatype === undefined || described.datatype === 'BYTES')
        return { datatype: 'BYTES', data: [bytes] }
      const shape = described.shape === undefined ? '' : `[${described.shape.join(',')}]`
      throw invalid(
        `--input ${name}=@${path}: the model takes ${described.datatype}${shape}, not the bytes of a file; ` +
          'give an .npy or .json file, or let the model decode pictures: hooks: [{image: …}] in its model.yaml',
      )
    }
  }
}

/** @returns undefined where the file holds an array, or one value */
async function wholeRequest(value: string, description: ModelDescription): Promise<ReadRequest | undefined> {
  const path = value.slice(1)
  const bytes = await read(path, '--input')
  if (!/^\s*\{/.test(bytes.subarray(0, 256).toString('utf8'))) return undefined
  const model = { name: description.name }
  try {
    if (isV2(bytes)) return decodeV2Request(bytes, undefined, model).request
    const inputs = description.inputs.map(metadataOf)
    const signatures = description.signatures?.map((signature) => ({
      ...signature,
      inputs: signature.inputs.map(metadataOf),
      outputs: [],
    }))
    const known = { inputs, outputs: [], ...(signatures === undefined ? {} : { signatures }) }
    return decodeV1Request(bytes, model, inputs, known).request
  } catch (reason) {
    throw invalid(`${path}: no request of the V2 or V1 protocol: ${messageOf(reason)}`)
  }
}

/** V2's inputs are a list of objects with names, V1's a value or an object by name. */
function isV2(bytes: Buffer): boolean {
  const text = bytes.toString('utf8')
  return /"inputs"\s*:\s*\[\s*(\{|\])/.test(text) && /"datatype"\s*:/.test(text)
}

function metadataOf(input: TensorDescription): TensorMetadata {
  const { name, datatype = 'FP32', shape } = input
  return { name, datatype, shape: shape ?? [-1], ...(shape === undefined ? { isAnyRank: true } : {}) }
}

async function read(path: string, label: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (reason) {
    throw new InferenceError('invalid_argument', `${label}: cannot read ${path}: ${messageOf(reason)}`, {
      cause: reason,
    })
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
