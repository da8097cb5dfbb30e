/** Which model a ModelSpec of TF Serving means, and what TF Serving says where there is none. */
import type { ModelSpec } from '../codec/tensorflow/model-spec.ts'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { ServedMetadata } from '../repository/status.ts'
import type { CallPlace, Door } from './door.ts'

/** The model that a call means on the host that it came to. @throws InferenceError `not_found` for another than that of the host */
export function hostedRef(door: Door, at: CallPlace, ref: ModelRef): ModelRef {
  if (!door.hasHosts) return ref
  const name = door.modelAt(at, ref.name)
  return name === ref.name ? ref : { ...ref, name }
}

/**
 * The model that is asked for.
 *
 * @throws InferenceError `invalid_argument` where no model is named, or a label that no version has; `not_found` for another
 *   model than that of the host
 */
export function refOf(door: Door, { name: given, version, versionLabel }: ModelSpec, at: CallPlace): ModelRef {
  const name = door.hasHosts ? door.modelAt(at, given) : given
  if (name === '') throw new InferenceError('invalid_argument', 'ModelSpec has no name specified.')
  if (versionLabel !== undefined) return door.dataPlane.labelled(name, versionLabel)
  return version === undefined ? { name } : { name, version }
}

/**
 * The metadata of a model that can answer.
 *
 * @throws InferenceError `not_found` for a model or version that is not there or unloaded, `failed_precondition` with the
 *   reason for one that failed to load, `unavailable` for one that still loads
 */
export function servedModel({ dataPlane }: Door, ref: ModelRef): ServedMetadata {
  try {
    return dataPlane.metadata(ref)
  } catch (reason) {
    const { code, message } = InferenceError.from(reason)
    if (code !== 'not_found' && code !== 'unavailable') throw reason
    const state = code === 'not_found' ? 'unloaded' : dataPlane.status(ref).state
    const which = ref.version === undefined ? `Latest(${ref.name})` : `Specific(${ref.name}, ${ref.version})`
    if (state === 'loading') throw reason
    if (state === 'failed') throw new InferenceError('failed_precondition', message, { cause: reason })
    throw new InferenceError('not_found', `Servable not found for request: ${which}`, { cause: reason })
  }
}

/** The spec of an answer: what ran. */
export function answeredSpec(
  spec: ModelSpec,
  { name, version }: Required<ModelRef>,
  served: ServedMetadata,
): ModelSpec {
  return { name: spec.name === '' ? name : spec.name, version, signatureName: signatureOf(spec, served) }
}

/** The signature that is asked for; the model's first where none is named. */
export function signatureOf({ signatureName }: ModelSpec, served: ServedMetadata): string {
  return signatureName === '' ? (served.signatures?.[0]?.name ?? 'serving_default') : signatureName
}
