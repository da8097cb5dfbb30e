/** A configuration beside the model that it is for: what does not fit is told in Triton's words. */
import { hasBatchDimension } from '../../core/batch-dimension.ts'
import { InferenceError } from '../../core/errors.ts'
import type { TensorMetadata } from '../../core/model.ts'
import type { Signature } from '../../core/signature.ts'
import { datatypeOf, type TritonConfig, type TritonTensor } from './config-schema.ts'
import { isComplete } from './declared.ts'
import { controlsOf } from './sequences.ts'

/** @throws InferenceError `failed_precondition` where the configuration is of another model */
export function checkConfig(name: string, config: TritonConfig, model: Signature): void {
  const { input: inputs = [], output: outputs = [], max_batch_size: maxBatchSize = 0 } = config
  if (!isComplete(config) && maxBatchSize > 0 && !hasBatchDimension(model)) {
    const text = 'model does not support batching while non-zero max_batch_size is specified'
    throw broken(`autofill failed for model '${name}': ${text}`)
  }
  const controls = new Set(controlsOf(config.sequence_batching).map((control) => control.name))
  if (inputs.length > 0) {
    checkCount(name, inputs.length + controls.size, model.inputs)
    for (const control of controls) find('input', control, model.inputs)
  }
  for (const [kind, given, own] of [
    ['input', inputs, model.inputs],
    ['output', outputs, model.outputs],
  ] as const) {
    for (const tensor of given) find(kind, tensor.name, own)
    for (const tensor of given) check(name, kind, tensor, find(kind, tensor.name, own), maxBatchSize > 0)
  }
}

function checkCount(name: string, count: number, inputs: readonly TensorMetadata[]): void {
  const required = inputs.filter(({ isOptional }) => isOptional !== true).length
  if (count >= required && count <= inputs.length) return
  throw broken(`unable to load model '${name}', configuration expects ${count} inputs, model provides ${inputs.length}`)
}

function find(kind: 'input' | 'output', name: string, own: readonly TensorMetadata[]): TensorMetadata {
  const found = own.find((tensor) => tensor.name === name)
  if (found !== undefined) return found
  const names = own.map((tensor) => tensor.name).toSorted()
  throw broken(`unexpected inference ${kind} '${name}', allowed ${kind}s are: ${names.join(', ')}`)
}

function check(
  model: string,
  kind: 'input' | 'output',
  { name, data_type: type, dims, reshape }: TritonTensor,
  own: TensorMetadata,
  isBatched: boolean,
): void {
  if (type !== undefined && datatypeOf(type) !== own.datatype) {
    const expected = own.datatype === 'BYTES' ? 'STRING' : own.datatype
    throw broken(
      `unable to load model '${model}', unexpected datatype ${type} for ${kind} '${name}', expecting TYPE_${expected}`,
    )
  }
  const shape = reshape?.shape ?? dims
  if (shape === undefined || own.isAnyRank === true) return
  const complete = isBatched ? [-1, ...shape] : shape
  if (fits(complete, own.shape)) return
  const provided = `the model expects ${own.shape.length} dimensions (shape [${own.shape.join(',')}])`
  const configured = isBatched
    ? `(an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape [${complete.join(',')}])`
    : `(shape [${complete.join(',')}])`
  throw broken(
    `model '${model}', tensor '${name}': ${provided} but the model configuration specifies ${complete.length} dimensions ${configured}`,
  )
}

/** A scalar may be configured as one element, as Triton has no dims of rank 0. */
function fits(configured: readonly number[], own: readonly number[]): boolean {
  if (own.length === 0 && configured.length === 1 && configured[0] === 1) return true
  if (configured.length !== own.length) return false
  return configured.every((size, axis) => size === own[axis] || size === -1 || own[axis] === -1)
}

function broken(message: string): InferenceError {
  return new InferenceError('failed_precondition', message)
}
