/** What an ONNX file says of itself beyond its signature. The runtime that reads it is imported only when there is one. */
import { z } from 'zod'
import { isDataType, type DataType } from '../core/tensor.ts'

const tensor = z.object({
  name: z.string(),
  datatype: z.custom<DataType>((value) => typeof value === 'string' && isDataType(value)),
  shape: z.array(z.number()),
  dimensionNames: z.array(z.string()).default([]),
})

const schema = z.object({
  inputs: z.array(tensor),
  outputs: z.array(tensor),
  irVersion: z.number(),
  producer: z.string(),
  producerVersion: z.string(),
  opsets: z.record(z.string(), z.number()),
  operators: z.record(z.string(), z.number()),
  fileBytes: z.number(),
  externalFiles: z.array(z.object({ location: z.string(), bytes: z.number() })),
  metadata: z.record(z.string(), z.string()),
})

export type OnnxFacts = z.infer<typeof schema>

const module = z.object({ inspectOnnx: z.custom<(file: string) => unknown>((value) => typeof value === 'function') })

/** @throws InferenceError `failed_precondition` saying what is wrong with the file */
export async function readOnnxFacts(file: string): Promise<OnnxFacts> {
  // By URL: the house imports no runtime, whose native package need not be there to read a file's head.
  const loaded: unknown = await import(new URL('../../runtimes/onnx/inspect.js', import.meta.url).href)
  return schema.parse(module.parse(loaded).inspectOnnx(file))
}
