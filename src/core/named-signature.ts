/** Which signature of a model a request is for, where the model has several. */
import { InferenceError } from './errors.ts'
import type { ModelMetadata, NamedSignature } from './model.ts'
import type { Signature } from './signature.ts'
import type { Parameters } from './tensor.ts'

/** The parameter of a request that names a signature. */
export const signatureParameter = 'signature_name'

/** What the protocols call a model's own inputs and outputs, whatever the model calls them itself. */
const ownNames: ReadonlySet<string> = new Set(['', 'serving_default', 'predict'])

/** A model as far as its signatures go. */
export type Signatures = Pick<ModelMetadata, 'inputs' | 'outputs' | 'signatures'>

/**
 * The signature of a name: one of the model, or by `''`, `serving_default` and `predict` the model's first where none is called
 * so. A model without named signatures is its own one.
 *
 * @returns undefined where there is none
 */
export function findSignature(model: Signatures, name: string): Signature | undefined {
  const { signatures } = model
  const [own] = signatures ?? []
  if (signatures === undefined || own === undefined) return ownNames.has(name) ? model : undefined
  const found = signatures.find((signature) => signature.name === name)
  if (found === own || (found === undefined && ownNames.has(name))) return model
  return found
}

/** The parameters that choose a signature: none where it is the model's first. */
export function choosing(model: Signatures, chosen: Signature): { readonly parameters?: Parameters } {
  const named = chosen === model ? undefined : model.signatures?.find((signature) => signature === chosen)
  return named === undefined ? {} : { parameters: { [signatureParameter]: named.name } }
}

/**
 * The signature that the parameters of a request choose.
 *
 * @throws InferenceError `invalid_argument` where the model has none of that name
 */
export function chosenSignature(model: Signatures, parameters: Parameters | undefined, name: string): Signature {
  const wanted = parameters?.[signatureParameter]
  if (wanted === undefined || model.signatures === undefined) return model
  const found = typeof wanted === 'string' ? findSignature(model, wanted) : undefined
  if (found !== undefined) return found
  const text = `parameter '${signatureParameter}': model '${name}' has no signature ${JSON.stringify(wanted)}.`
  throw new InferenceError('invalid_argument', `${text}${signatureList(model)}`)
}

/** ` There are a, b.`, for the end of a message; '' where signatures have no names. */
export function signatureList({ signatures = [] }: Signatures): string {
  return signatures.length === 0 ? '' : ` There are ${signatures.map(({ name }) => name).join(', ')}.`
}

/** All signatures under their names; that of a model without names is TensorFlow's default one. */
export function allSignatures(model: Signatures): readonly NamedSignature[] {
  const { inputs, outputs } = model
  const [own, ...others] = model.signatures ?? []
  // The hooks of a model may have changed what callers see of the first.
  if (own !== undefined) return [{ ...own, inputs, outputs }, ...others]
  return [{ name: 'serving_default', methodName: 'tensorflow/serving/predict', inputs, outputs }]
}

/** A signature that was found, with its name; one of a model without names is TensorFlow's default one. */
export function namedSignature(model: Signatures, found: Signature): NamedSignature {
  const named = found === model ? undefined : model.signatures?.find((signature) => signature === found)
  const [own] = allSignatures(model)
  return named ?? { ...found, name: own?.name ?? '', methodName: own?.methodName ?? '' }
}
