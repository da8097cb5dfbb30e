/** Takes what the libraries' own servers take: any name of the one input and any numbers; answers `predict` where nothing else is asked for. */
import { InferenceError, tensor } from '../../src/runtime/index.ts'
import type { InferenceRequest, Model, Tensor } from '../../src/runtime/index.ts'
import { predictName } from './onnx-graph.ts'

type Features = 'FP32' | 'FP64'

/** Changes the model it is given. */
export function adapt(model: Model): Model {
  const [input] = model.metadata.inputs
  if (input === undefined) throw new InferenceError('internal', 'a tree model without an input')
  const { name } = input
  const datatype: Features = input.datatype === 'FP64' ? 'FP64' : 'FP32'
  return Object.assign(model, {
    preprocess: (request: InferenceRequest): Promise<InferenceRequest> =>
      Promise.resolve(asFeatures(request, name, datatype)),
  })
}

function asFeatures(request: InferenceRequest, name: string, datatype: Features): InferenceRequest {
  const [input] = request.inputs
  const isFitting = input !== undefined && input.name === name && input.datatype === datatype
  if (request.inputs.length !== 1 || input === undefined || (isFitting && request.outputs !== undefined)) return request
  const outputs = request.outputs ?? [predictName]
  return { ...request, outputs, inputs: isFitting ? request.inputs : [convert(input, name, datatype)] }
}

/** Integers and the other floating point as numbers; what is no number is left for the check of the request to refuse. */
function convert(input: Tensor, name: string, datatype: Features): Tensor {
  const { shape } = input
  if (input.datatype === datatype) return { ...input, name }
  if (input.datatype === 'INT64' || input.datatype === 'UINT64') {
    return made(name, datatype, shape, Array.from<bigint, number>(input.data, Number))
  }
  const isNoNumber = input.datatype === 'BYTES' || input.datatype === 'BOOL'
  if (isNoNumber || input.datatype === 'FP16' || input.datatype === 'BF16') return input
  return made(name, datatype, shape, input.data)
}

function made(name: string, datatype: Features, shape: readonly number[], numbers: ArrayLike<number>): Tensor {
  return datatype === 'FP64'
    ? tensor(name, 'FP64', shape, Float64Array.from(numbers))
    : tensor(name, 'FP32', shape, Float32Array.from(numbers))
}
