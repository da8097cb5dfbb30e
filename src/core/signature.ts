/** What ORT and others do not check, checked once for every runtime: request against signature. */
import { InferenceError } from './errors.ts'
import type { InferenceRequest } from './inference.ts'
import type { TensorMetadata } from './model.ts'
import type { Tensor } from './tensor.ts'

/** The names and shapes of one model, as seen from one side of its hooks. */
export interface Signature {
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
}

/**
 * Checks a request against the signature of a model: names, datatypes, shapes, agreeing free dimensions, outputs wanted.
 * A signature without inputs checks nothing but outputs: such a model looks for itself.
 *
 * @param maxRows most rows of the first dimension; 0: unlimited
 * @returns the request, with `[1]` made `[]` where the model takes a scalar
 * @throws InferenceError `invalid_argument` in Triton's words
 */
export function checkRequest(request: InferenceRequest, signature: Signature, maxRows = 0): InferenceRequest {
  const model = request.model.name
  const inputs = signature.inputs.length === 0 ? request.inputs : checkInputs(request, signature.inputs)
  if (maxRows > 0) checkRows(inputs, maxRows, model)
  if (request.outputs !== undefined && signature.outputs.length > 0) {
    for (const name of request.outputs) {
      if (!signature.outputs.some((output) => output.name === name)) {
        throw invalid(`unexpected inference output '${name}' for model '${model}'. It has ${names(signature.outputs)}.`)
      }
    }
  }
  return inputs === request.inputs ? request : { ...request, inputs }
}

function checkInputs(request: InferenceRequest, expected: readonly TensorMetadata[]): readonly Tensor[] {
  const model = request.model.name
  const given = request.inputs
  let changed: Tensor[] | undefined
  let required = 0
  for (const metadata of expected) if (metadata.isOptional !== true) required += 1
  for (let index = 0; index < given.length; index += 1) {
    const input = given[index]
    if (input === undefined) continue
    const metadata = expected.find((candidate) => candidate.name === input.name)
    if (metadata === undefined) {
      throw invalid(`unexpected inference input '${input.name}' for model '${model}'. It takes ${names(expected)}.`)
    }
    for (let other = 0; other < index; other += 1) {
      if (given[other]?.name === input.name) throw invalid(`input '${input.name}' already exists in request`)
    }
    if (metadata.isOptional !== true) required -= 1
    if (input.datatype !== metadata.datatype) {
      throw invalid(
        `inference input '${input.name}' data-type is '${input.datatype}', but model '${model}' expects '${metadata.datatype}'`,
      )
    }
    if (!fits(input.shape, metadata)) {
      if (metadata.shape.length === 0 && input.shape.length === 1 && input.shape[0] === 1) {
        changed ??= [...given]
        changed[index] = { ...input, shape: [] }
        continue
      }
      throw invalid(
        `unexpected shape for input '${input.name}' for model '${model}'. Expected [${metadata.shape.join(',')}], got [${input.shape.join(',')}].`,
      )
    }
  }
  if (required > 0) throw missing(request, expected)
  if (given.length > 1) checkFreeDimensions(given, expected, model)
  return changed ?? given
}

function fits(shape: readonly number[], metadata: TensorMetadata): boolean {
  if (metadata.isAnyRank === true || metadata.isShapeHint === true) return true
  if (shape.length !== metadata.shape.length) return false
  for (let axis = 0; axis < shape.length; axis += 1) {
    const expected = metadata.shape[axis]
    if (expected !== -1 && expected !== shape[axis]) return false
  }
  return true
}

function missing(request: InferenceRequest, expected: readonly TensorMetadata[]): InferenceError {
  const required = expected.filter((metadata) => metadata.isOptional !== true)
  const given = request.inputs.map((input) => `'${input.name}'`).join(',')
  const absent = required.filter((metadata) => !request.inputs.some((input) => input.name === metadata.name))
  return invalid(
    `expected ${required.length} inputs but got ${request.inputs.length} inputs for model '${request.model.name}'. ` +
      `Got input(s) [${given}], but missing required input(s) [${absent.map((metadata) => `'${metadata.name}'`).join(',')}]. ` +
      'Please provide all required input(s).',
  )
}

/** Free dimensions of one symbolic name are one number, and a batch dimension without a name is the same everywhere. */
function checkFreeDimensions(given: readonly Tensor[], expected: readonly TensorMetadata[], model: string): void {
  const isBatched = expected.every(isUnnamedBatch)
  const sizes = new Map<string, number>()
  for (const input of given) {
    const metadata = expected.find((candidate) => candidate.name === input.name)
    if (metadata?.isAnyRank === true) continue
    for (let axis = 0; axis < input.shape.length; axis += 1) {
      if (metadata?.shape[axis] !== -1) continue
      const name = metadata.dimensionNames?.[axis] ?? ''
      const key = name !== '' ? name : isBatched && axis === 0 ? '\0batch' : undefined
      if (key === undefined) continue
      const size = input.shape[axis] ?? 0
      const earlier = sizes.get(key)
      if (earlier === undefined) sizes.set(key, size)
      else if (earlier !== size) {
        const what = axis === 0 ? 'batch size does not match' : `dimension ${axis} ('${name}') does not match`
        throw invalid(`input '${input.name}' ${what} other inputs for '${model}'. Expected ${earlier}, got ${size}.`)
      }
    }
  }
}

/** True for `[-1, fixed…]` without a name on the first dimension: what Triton calls a batch dimension. */
function isUnnamedBatch(metadata: TensorMetadata): boolean {
  const [first, ...rest] = metadata.shape
  return first === -1 && (metadata.dimensionNames?.[0] ?? '') === '' && rest.every((dimension) => dimension >= 0)
}

function checkRows(inputs: readonly Tensor[], maxRows: number, model: string): void {
  for (const input of inputs) {
    const rows = input.shape[0]
    if (rows !== undefined && rows > maxRows) {
      throw invalid(`inference request batch-size must be <= ${maxRows} for '${model}', got ${rows}`)
    }
  }
}

function names(tensors: readonly TensorMetadata[]): string {
  return tensors.length === 0 ? 'none' : tensors.map((tensor) => `'${tensor.name}'`).join(', ')
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
