/** Raw V2 requests: the whole body is the one input, as `Inference-Header-Content-Length: 0` says. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import { elementBytes, elementsOf, tensor } from '../core/tensor.ts'

/**
 * The request that a body of nothing but elements makes; for BYTES the body is the one element, without its length.
 *
 * @param inputs of the model
 * @param hasBatch the first dimension counts rows: there is one
 * @throws InferenceError `invalid_argument` in Triton's words where body and model do not tell the shape
 */
export function decodeRawRequest(
  body: Uint8Array,
  model: ModelRef,
  { inputs, hasBatch }: { readonly inputs: readonly TensorMetadata[]; readonly hasBatch: boolean },
): InferenceRequest {
  const [input] = inputs
  if (input === undefined || inputs.length > 1) {
    throw invalid(
      `Raw request must only have 1 input (found 1) to be deduced but got ${inputs.length} inputs in '${model.name}' model configuration`,
    )
  }
  const { name, datatype } = input
  const declared = input.isAnyRank === true ? [-1] : input.shape
  if (datatype === 'BYTES') {
    const dims = hasBatch && declared.length > 1 ? declared.slice(1) : declared
    if (dims.some((dimension) => dimension !== 1)) {
      throw invalid(`For BYTE datatype raw input '${name}', the model must have input shape [1]`)
    }
    return {
      model,
      inputs: [
        tensor(
          name,
          datatype,
          declared.map(() => 1),
          [body],
        ),
      ],
    }
  }
  const shape = deducedShape(input.name, declared, body.length / elementBytes(datatype), hasBatch)
  return { model, inputs: [tensor(name, datatype, shape, elementsOf(datatype, body) as never)] } // of this datatype
}

function deducedShape(name: string, declared: readonly number[], count: number, hasBatch: boolean): readonly number[] {
  const free = declared.filter((dimension) => dimension === -1).length
  // One row, unless the rows are what is not known.
  const shape = hasBatch && free > 1 ? [1, ...declared.slice(1)] : declared
  if (shape.filter((dimension) => dimension === -1).length > 1) {
    throw invalid(
      `The shape of raw input '${name}' can not be deduced because there are more than one variable-sized dimension`,
    )
  }
  const fixed = shape.reduce((product, dimension) => (dimension === -1 ? product : product * dimension), 1)
  const rest = fixed === 0 ? 0 : count / fixed
  if (!Number.isInteger(rest) || (!shape.includes(-1) && rest !== 1)) {
    throw invalid(
      `unexpected size of raw input '${name}': ${count} elements do not fill the shape [${declared.join(',')}]`,
    )
  }
  return shape.map((dimension) => (dimension === -1 ? rest : dimension))
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
