/** Parameters of V2 requests, tensors and responses: flat maps of strings, numbers and booleans. */
import { InferenceError } from '../core/errors.ts'
import type { Parameters } from '../core/tensor.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import type { JsonWriter } from './json-writer.ts'
import { checkCount } from './reserved-parameters.ts'

/** Parameters under construction; a Map, since a client chooses the keys. */
export type ParameterMap = Map<string, string | number | boolean>

/**
 * Reads `parameters`.
 *
 * @param isAnswer values of other types are left out: MLServer answers with objects among them
 * @returns undefined for `null` and for an empty object
 * @throws InferenceError `invalid_argument` for values of other types, and for integers that a double cannot hold
 */
export function readParameters(reader: JsonReader, isAnswer = false): ParameterMap | undefined {
  if (reader.isNull()) return undefined
  if (reader.peek() !== ascii.openBrace) throw invalid(`'parameters' must be an object`)
  const parameters: ParameterMap = new Map()
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    if (isAnswer && !isScalar(reader.peek())) reader.skipValue()
    else parameters.set(key, readParameter(reader, key))
  }
  return parameters.size === 0 ? undefined : parameters
}

/** Reads the value of one parameter. @throws InferenceError `invalid_argument` as {@link readParameters} */
export function readParameter(reader: JsonReader, key: string): string | number | boolean {
  const byte = reader.peek()
  if (byte === ascii.quote) return reader.string()
  if (byte === ascii.lowerT || byte === ascii.lowerF) return reader.boolean()
  if (!isScalar(byte)) {
    reader.skipValue() // its syntax comes first
    throw invalid(`parameter '${key}' has invalid type. It should be either 'int', 'bool', or 'string'.`)
  }
  const text = reader.numberText()
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && !/[.eE]/.test(text)) {
    throw invalid(`parameter '${key}' is ${text.slice(0, 40)}: integers beyond 2^53 must be sent as strings`)
  }
  return value
}

/** True for the first byte of a string, a boolean or a number. */
export function isScalar(byte: number): boolean {
  if (byte === ascii.quote || byte === ascii.lowerT || byte === ascii.lowerF || byte === ascii.minus) return true
  return byte >= ascii.zero && byte <= ascii.nine
}

/** The parameters as a model sees them; undefined where none are left. */
export function parametersOf(parameters: ParameterMap | undefined): Parameters | undefined {
  return parameters === undefined || parameters.size === 0 ? undefined : Object.fromEntries(parameters)
}

/**
 * Takes a parameter that is for the protocol, not for the model.
 *
 * @throws InferenceError `invalid_argument` where it is not a boolean
 */
export function takeBoolean(parameters: ParameterMap | undefined, key: string): boolean | undefined {
  const value = parameters?.get(key)
  if (value === undefined) return undefined
  if (typeof value !== 'boolean') throw invalid(`parameter '${key}' must be true or false`)
  parameters?.delete(key)
  return value
}

/**
 * Takes a parameter that is for the protocol, not for the model.
 *
 * @throws InferenceError `invalid_argument` where it is not a non-negative integer
 */
export function takeSize(parameters: ParameterMap | undefined, key: string): number | undefined {
  const value = parameters?.get(key)
  if (value === undefined) return undefined
  const size = checkCount(key, value)
  parameters?.delete(key)
  return size
}

/** Writes `,"parameters":{…}` where there are any. */
export function writeParameters(writer: JsonWriter, parameters: Parameters | undefined): void {
  if (parameters === undefined) return
  writer.raw(',"parameters":{')
  writeMembers(writer, parameters)
  writer.raw('}')
}

/** Writes `"name":value` for each, with commas between. */
export function writeMembers(writer: JsonWriter, parameters: Parameters): void {
  let separator = ''
  for (const [key, value] of Object.entries(parameters)) {
    writer.raw(separator)
    writer.string(key)
    writer.raw(':')
    if (typeof value === 'string') writer.string(value)
    else writer.plain(value)
    separator = ','
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
