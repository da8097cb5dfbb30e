/** The outputs that a V2 request asks for, and the form in which each shall come back. */
import { InferenceError } from '../core/errors.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { labelOf, readName } from './v2-fields.ts'
import { classesOf } from './reserved-parameters.ts'
import { readParameters, takeBoolean } from './v2-parameters.ts'
import type { ParameterMap } from './v2-parameters.ts'

/** One output that a request lists. */
export interface RequestedOutput {
  /** Raw bytes behind the JSON; else JSON, whatever the request says of the others. */
  readonly isBinary: boolean
  /** As its best classes: how many of them. */
  readonly classes?: number
}

/** How the outputs of an answer are encoded. */
export interface OutputEncoding {
  /** For outputs that the request does not list: raw bytes behind the JSON, else JSON. */
  readonly isBinary: boolean
  /** The outputs that the request lists, by name. */
  readonly listed?: ReadonlyMap<string, RequestedOutput>
}

/**
 * Reads `outputs` of a request.
 *
 * @returns undefined where none is listed, which asks for all
 * @throws InferenceError `invalid_argument` where an output is listed twice; `unimplemented` for shared
 *   memory
 */
export function readOutputs(reader: JsonReader): ReadonlyMap<string, RequestedOutput> | undefined {
  if (reader.isNull()) return undefined
  if (reader.peek() !== ascii.openBracket) throw invalid(`'outputs' must be an array, got ${reader.excerpt()}`)
  const outputs = new Map<string, RequestedOutput>()
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    const index = outputs.size
    if (reader.peek() !== ascii.openBrace) throw invalid(`'outputs[${index}]' must be an object`)
    let name: string | undefined
    let parameters: ParameterMap | undefined
    for (let member = reader.openObject(); member; member = reader.nextMember()) {
      const key = reader.key()
      if (key === 'name') name = readName(reader, 'output', index)
      else if (key === 'parameters') parameters = readParameters(reader)
      else reader.skipValue()
    }
    if (name === undefined) throw invalid(`${labelOf({ role: 'output', name, index })} lacks 'name'`)
    if (outputs.has(name)) throw invalid(`output '${name}' already exists in request`)
    outputs.set(name, requestedOutput(name, parameters))
  }
  return outputs.size === 0 ? undefined : outputs
}

/** Parameters that nobody knows are ignored: they are the protocol's, not the model's. */
function requestedOutput(name: string, parameters: ParameterMap | undefined): RequestedOutput {
  if (parameters?.has('shared_memory_region') === true) {
    throw new InferenceError('unimplemented', `output '${name}': the parameter 'shared_memory_region' is not supported`)
  }
  const isBinary = takeBoolean(parameters, 'binary_data') ?? false
  const classification = parameters?.get('classification')
  return classification === undefined ? { isBinary } : { isBinary, classes: classesOf(name, classification) }
}

/** The outputs that are wanted as classes; undefined where there are none. */
export function wantedClasses(
  outputs: ReadonlyMap<string, RequestedOutput> | undefined,
): ReadonlyMap<string, number> | undefined {
  if (outputs === undefined) return undefined
  const wanted = new Map<string, number>()
  for (const [name, { classes }] of outputs) if (classes !== undefined) wanted.set(name, classes)
  return wanted.size === 0 ? undefined : wanted
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
