/** The options of a SavedModel in `model.yaml`, checked, and the graph and signature that they choose. */
import { z } from 'zod'
import { InferenceError } from '../../src/runtime/index.ts'
import type { MetaGraph, SavedSignature } from './saved-model.ts'

const schema = z.strictObject({
  /** The signature of requests that name none. Default: `serving_default`, or the first by name where there is none. */
  signature: z.string().min(1).optional(),
  /** Tags of the graph to load. Default: `serve`. */
  tags: z.array(z.string().min(1)).min(1).default(['serve']),
})

export type TensorflowOptions = z.infer<typeof schema>

/** @throws InferenceError `failed_precondition` naming the option and what it takes */
export function parseOptions(options: Readonly<Record<string, unknown>>): TensorflowOptions {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const what =
    issue?.code === 'unrecognized_keys'
      ? `unknown option '${issue.keys.join("', '")}' of runtime 'tensorflow': there are ${Object.keys(schema.shape).join(', ')}`
      : `option '${issue?.path.join('.') ?? ''}' of runtime 'tensorflow': ${issue?.message ?? 'is not valid'}`
  throw new InferenceError('failed_precondition', what, { cause: result.error })
}

const defaultSignature = 'serving_default'

/** @throws InferenceError `failed_precondition` in TensorFlow's words where there is no such graph or signature */
export function chooseSignature(
  graphs: readonly MetaGraph[],
  { tags, signature }: TensorflowOptions,
): { readonly graph: MetaGraph; readonly signature: SavedSignature } {
  const wanted = new Set(tags)
  const graph = graphs.find((one) => one.tags.length === wanted.size && one.tags.every((tag) => wanted.has(tag)))
  if (graph === undefined) {
    const there = graphs.map((one) => `{ ${one.tags.join(' ')} }`).join(', ')
    const text = `Could not find meta graph def matching supplied tags: { ${tags.join(' ')} }. There are ${there}; option 'tags' chooses one`
    throw new InferenceError('failed_precondition', text)
  }
  const names = [...graph.signatures.keys()].sort()
  const name = signature ?? (names.includes(defaultSignature) ? defaultSignature : (names[0] ?? defaultSignature))
  const read = graph.signatures.get(name)
  if (read === undefined) {
    const text = `Serving signature key "${name}" not found. There are ${names.join(', ') || 'none'}; option 'signature' chooses one`
    throw new InferenceError('failed_precondition', text)
  }
  return { graph, signature: read() }
}
