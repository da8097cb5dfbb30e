/** Models as OpenAI lists them. */
import type { Door } from './options.ts'

/** When this server began to serve, in seconds: models are not asked how old they are. */
const created = Math.floor(Date.now() / 1000)

export interface OpenAiModel {
  readonly id: string
  readonly object: 'model'
  readonly created: number
  readonly owned_by: 'servable'
}

export function openAiModel(id: string): OpenAiModel {
  return { id, object: 'model', created, owned_by: 'servable' }
}

/** The names of the ready models that answer OpenAI's requests. */
export function openAiNames({ dataPlane }: Door): readonly string[] {
  const names = dataPlane
    .models()
    .filter(({ metadata }) => metadata?.protocols?.includes('openai') === true)
    .map(({ ref }) => ref.name)
  return [...new Set(names)]
}

/** The answer of `GET /openai/v1/models`. */
export function openAiList(door: Door): { readonly object: 'list'; readonly data: readonly OpenAiModel[] } {
  return { object: 'list', data: openAiNames(door).map(openAiModel) }
}
