/** The model that the metadata of a call names, as ModelMesh's clients name it, and as ModelMesh does to what it puts a call through to. */
import type { Metadata } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'

/** A model by its id, or a vmodel by its own. */
export interface MeshName {
  readonly kind: 'model' | 'vmodel'
  readonly id: string
}

/** What the names in metadata mean to this server. */
export interface MeshNames {
  /**
   * @returns the name that the data plane knows it by
   * @throws InferenceError `not_found` in ModelMesh's words
   */
  nameOf(name: MeshName): string
  /** True for a model that failed to load: ModelMesh's clients read that as INTERNAL, where UNAVAILABLE is to be tried again. */
  hasFailed?(name: MeshName): boolean
}

/**
 * Reads `mm-model-id` or `mm-vmodel-id`, or either with `-bin` where it is no ASCII.
 *
 * @returns undefined where no model is named
 * @throws InferenceError `invalid_argument` in ModelMesh's words where both are named, or an empty one; `unimplemented` for
 *   several
 */
export function meshNameOf(metadata: Metadata): MeshName | undefined {
  const models = valuesOf(metadata, 'mm-model-id')
  const vmodels = valuesOf(metadata, 'mm-vmodel-id')
  if (models.length > 0 && vmodels.length > 0) {
    throw new InferenceError('invalid_argument', 'must include only one of model id and vmodel id')
  }
  const kind = vmodels.length > 0 ? 'vmodel' : 'model'
  const [id, ...others] = kind === 'vmodel' ? vmodels : models
  if (id === undefined) return undefined
  if (others.length > 0) {
    throw new InferenceError('unimplemented', `mm-${kind}-id names ${others.length + 1} models: one request takes one`)
  }
  if (id === '') throw new InferenceError('invalid_argument', `provided ${kind}-id header must be non-empty`)
  return { kind, id }
}

/** The text entries count where there are any, as in ModelMesh, which sends both. */
function valuesOf(metadata: Metadata, name: string): readonly string[] {
  const texts = metadata.get(name)
  const values = texts.length > 0 ? texts : metadata.get(`${name}-bin`)
  return values.map((value) => (typeof value === 'string' ? value : value.toString('utf8')))
}
