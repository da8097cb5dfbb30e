/** The inputs and outputs that whoever registered a model says it has, beside those that it has. */
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { ModelMetadata, TensorMetadata } from '../../core/model.ts'

const tensor = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number().int()).optional() })
const schema = z.object({ inputs: z.array(tensor).default([]), outputs: z.array(tensor).default([]) })

export type ModelSchema = z.infer<typeof schema>
type SchemaTensor = z.infer<typeof tensor>

/** More is no list of tensors. */
const mostBytes = 4 * 2 ** 20

/**
 * Reads the file of `schema_path`; one that is not on this machine is not looked at.
 *
 * @throws InferenceError `failed_precondition` that names the file and what would be right
 */
export async function readSchema(path: string | undefined): Promise<ModelSchema | undefined> {
  if (path === undefined || !isAbsolute(path)) return undefined
  try {
    if ((await stat(path)).size > mostBytes) throw new Error(`it has more than ${mostBytes} bytes`)
    return schema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (reason) {
    const why = reason instanceof z.ZodError ? z.prettifyError(reason).split('\n').join(' ') : messageOf(reason)
    const expected = 'expected {"inputs": [{"name": …, "datatype": …, "shape": […]}], "outputs": […]}'
    throw new InferenceError('failed_precondition', `modelKey: schema_path ${path}: ${expected}: ${why}`, {
      cause: reason,
    })
  }
}

/** What the model has otherwise than it is said, one text for each tensor. */
export function differencesOf(said: ModelSchema, { inputs, outputs }: Pick<ModelMetadata, 'inputs' | 'outputs'>) {
  return [
    ...said.inputs.flatMap((each) => differenceOf('input', each, inputs)),
    ...said.outputs.flatMap((each) => differenceOf('output', each, outputs)),
  ]
}

function differenceOf(
  kind: 'input' | 'output',
  { name, datatype, shape }: SchemaTensor,
  tensors: readonly TensorMetadata[],
): readonly string[] {
  const found = tensors.find((each) => each.name === name)
  if (found === undefined) return [`the model has no ${kind} '${name}'`]
  if (found.datatype !== datatype) return [`${kind} '${name}' is ${found.datatype}, not ${datatype}`]
  const isFixed = found.isAnyRank !== true && found.isShapeHint !== true
  if (shape === undefined || !isFixed || fits(found.shape, shape)) return []
  return [`${kind} '${name}' has the shape [${found.shape.join(', ')}], not [${shape.join(', ')}]`]
}

/** A free dimension of either is no difference; nor is a batch dimension that the schema leaves out. */
function fits(shape: readonly number[], said: readonly number[]): boolean {
  if (shape.length === said.length + 1 && shape[0] === -1) return fits(shape.slice(1), said)
  return shape.length === said.length && shape.every((size, at) => size < 0 || (said[at] ?? 0) < 0 || size === said[at])
}
