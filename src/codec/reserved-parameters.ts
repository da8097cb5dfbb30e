/** Parameters that mean something to the protocol: their types, the same for every wire. */
import { InferenceError } from '../core/errors.ts'

type Value = string | number | boolean

/**
 * Checks the parameters of a request: `priority` and `timeout` count, `sequence_…` tell of sequences, `triton_…` is
 * reserved.
 *
 * @throws InferenceError `invalid_argument`
 */
export function checkReservedParameters(parameters: Iterable<readonly [string, Value]>): void {
  for (const [name, value] of parameters) {
    if (name === 'priority' || name === 'timeout') checkCount(name, value)
    else if (name === 'sequence_id') {
      if (typeof value !== 'string' && !isCount(value)) throw wrongType(name, 'int64_param or string_param')
    } else if (name === 'sequence_start' || name === 'sequence_end') {
      if (typeof value !== 'boolean') throw wrongType(name, 'bool_param')
    } else if (name.startsWith('triton_')) {
      throw invalid(`parameter keys starting with 'triton_' are reserved for Triton usage: '${name}'`)
    }
  }
}

/** @throws InferenceError `invalid_argument` where it is no integer of 0 or more */
export function checkCount(name: string, value: Value): number {
  if (isCount(value)) return value
  throw invalid(`parameter '${name}' must be a non-negative integer, got ${JSON.stringify(value)}`)
}

/**
 * How many classes of an output are wanted: the value of its parameter `classification`.
 *
 * @throws InferenceError `invalid_argument` where it is no integer above 0
 */
export function classesOf(output: string, value: Value): number {
  if (isCount(value) && value > 0) return value
  throw invalid(
    `output '${output}': invalid value for 'classification' parameter, expected an integer above 0, got ${JSON.stringify(value)}`,
  )
}

function isCount(value: Value): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

function wrongType(name: string, expected: string): InferenceError {
  return invalid(`invalid value type for '${name}' parameter, expected ${expected}.`)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
