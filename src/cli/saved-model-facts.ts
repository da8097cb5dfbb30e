/** What a SavedModel says of itself. The runtime that reads it is imported only when there is one. */
import { z } from 'zod'
import type { ModelSpec } from '../core/model.ts'
import { isDataType, type DataType } from '../core/tensor.ts'

const tensor = z.object({
  name: z.string(),
  datatype: z.custom<DataType>((value) => typeof value === 'string' && isDataType(value)),
  shape: z.array(z.number()),
  isAnyRank: z.boolean().default(false),
  graphName: z.string(),
})

const schema = z.object({
  tags: z.array(z.string()),
  exportedWith: z.string(),
  signatures: z.array(
    z.object({ name: z.string(), methodName: z.string(), inputs: z.array(tensor), outputs: z.array(tensor) }),
  ),
  leftOut: z.record(z.string(), z.string()),
})

export type SavedModelFacts = z.infer<typeof schema>

const module = z.object({
  inspectSavedModel: z.custom<(spec: ModelSpec) => Promise<unknown>>((value) => typeof value === 'function'),
})

/** @throws InferenceError `failed_precondition` saying what is wrong with the files */
export async function readSavedModelFacts(spec: ModelSpec): Promise<SavedModelFacts> {
  // By URL: the house imports no runtime, whose native package need not be there to read a file.
  const loaded: unknown = await import(new URL('../../runtimes/tensorflow/inspect.js', import.meta.url).href)
  return schema.parse(await module.parse(loaded).inspectSavedModel(spec))
}
