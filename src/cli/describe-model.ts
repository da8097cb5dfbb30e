/** Asks a server what a model takes; where there is no such model, says which there are. */
import type { Client, ModelDescription } from '../client/index.ts'
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'

export interface AskedModel {
  /** As the user wrote it. */
  readonly url: string
  readonly name: string
  readonly version: string | undefined
}

/**
 * @returns undefined where the server tells nothing of its models
 * @throws InferenceError `not_found` that lists the models there are, where the server lists them and this is none
 */
export async function describeModel(client: Client, asked: AskedModel): Promise<ModelDescription | undefined> {
  const { name, version } = asked
  try {
    return await client.modelMetadata(name, version)
  } catch (reason) {
    const { code } = InferenceError.from(reason)
    // Triton answers 400 for a model that it does not have; V1 servers may have no metadata at all.
    if (code !== 'not_found' && code !== 'invalid_argument' && code !== 'unimplemented') throw reason
    const names = await client.models().then(
      (models) => [...new Set(models.map((model) => model.name))],
      () => undefined,
    )
    if (names === undefined) return undefined
    if (!names.includes(name)) throw unknownModel(asked, names)
    if (version !== undefined) throw reason
    return undefined
  }
}

function unknownModel({ url, name }: AskedModel, names: readonly string[]): InferenceError {
  const near = nearest(name, names)
  const meant = near === undefined ? '.' : `, did you mean '${near}'?`
  const served = names.length === 0 ? 'none' : names.join(', ')
  return new InferenceError('not_found', `${url} serves no model '${name}'${meant} Served: ${served}`)
}
