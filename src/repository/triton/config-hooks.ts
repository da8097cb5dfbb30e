/** A model as its `config.pbtxt` shows it: configured shapes outside, the model's own inside, control tensors hidden. */
import type { Hooks, TensorMetadata } from '../../core/model.ts'
import type { Signature } from '../../core/signature.ts'
import { checkRequest } from '../../core/signature.ts'
import type { Tensor } from '../../core/tensor.ts'
import { checkConfig } from './check-config.ts'
import type { TritonConfig, TritonTensor } from './config-schema.ts'
import { controlsOf, Sequences } from './sequences.ts'

/**
 * @param inner signature of the model
 * @throws InferenceError `failed_precondition` where the configuration does not fit the model
 */
export function createConfigHooks(name: string, config: TritonConfig, inner: Signature): Hooks {
  checkConfig(name, config, inner)
  const isBatched = (config.max_batch_size ?? 0) > 0
  const controls = new Set(controlsOf(config.sequence_batching).map((control) => control.name))
  const visible = inner.inputs.filter((input) => !controls.has(input.name))
  const inputs = visible.map((input) => configured(input, named(config.input, input.name), isBatched))
  const outputs = inner.outputs.map((output) => configured(output, named(config.output, output.name), isBatched))
  const sequences =
    config.sequence_batching === undefined ? undefined : new Sequences(name, config.sequence_batching, isBatched)
  const intoModel = reshapes(config.input ?? [], isBatched, false)
  const outOfModel = reshapes(config.output ?? [], isBatched, true)
  const areInputsOther = controls.size > 0 || inputs.some((input, index) => input !== visible[index])
  const areOutputsOther = outputs.some((output, index) => output !== inner.outputs[index])
  const preprocess: NonNullable<Hooks['preprocess']> = async (request) => {
    const { inputs: given } = checkRequest(request, { inputs, outputs: [] })
    const shaped = { ...request, inputs: given.map((input) => reshaped(input, intoModel)) }
    return sequences?.admit(shaped) ?? shaped
  }
  const postprocess: NonNullable<Hooks['postprocess']> = async (response) => ({
    ...response,
    outputs: response.outputs.map((output) => reshaped(output, outOfModel)),
  })
  return {
    ...(areInputsOther ? { inputs } : {}),
    ...(areOutputsOther ? { outputs } : {}),
    ...(areInputsOther || sequences !== undefined ? { preprocess } : {}),
    ...(outOfModel.size > 0 ? { postprocess } : {}),
  }
}

function named(tensors: readonly TritonTensor[] | undefined, name: string): TritonTensor | undefined {
  return tensors?.find((tensor) => tensor.name === name)
}

/** From the shape on one side to that on the other, the batch not counted; -1 follows -1 in order. */
interface Reshape {
  readonly from: readonly number[]
  readonly to: readonly number[]
  readonly isBatched: boolean
}

type Reshapes = ReadonlyMap<string, Reshape>

/** @param isOutput from what the model gives to what callers see, not the other way */
function reshapes(tensors: readonly TritonTensor[], isBatched: boolean, isOutput: boolean): Reshapes {
  const found = new Map<string, Reshape>()
  for (const { name, dims, reshape } of tensors) {
    if (reshape === undefined || dims === undefined) continue
    const [from, to] = isOutput ? [reshape.shape, dims] : [dims, reshape.shape]
    found.set(name, { from, to, isBatched })
  }
  return found
}

function reshaped(tensor: Tensor, all: Reshapes): Tensor {
  const found = all.get(tensor.name)
  if (found === undefined) return tensor
  const leading = found.isBatched ? tensor.shape.slice(0, 1) : []
  const free = tensor.shape.slice(leading.length).filter((_, axis) => found.from[axis] === -1)
  let next = 0
  const shape = found.to.map((size) => (size === -1 ? (free[next++] ?? 1) : size))
  return { ...tensor, shape: [...leading, ...shape] }
}

/** What callers see of a tensor: the configured shape, where there is one. */
function configured(own: TensorMetadata, given: TritonTensor | undefined, isBatched: boolean): TensorMetadata {
  if (given?.dims === undefined) return own
  const shape = isBatched ? [-1, ...given.dims] : given.dims
  if (
    own.isAnyRank !== true &&
    own.shape.length === shape.length &&
    shape.every((size, axis) => size === own.shape[axis])
  ) {
    return own
  }
  const { name, datatype, isOptional } = own
  return { name, datatype, shape, ...(isOptional === undefined ? {} : { isOptional }) }
}
