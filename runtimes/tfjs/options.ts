/** The options of a TensorFlow.js model in `model.yaml`, checked. */
import { z } from 'zod'
import { InferenceError } from '../../src/runtime/index.ts'

const schema = z.strictObject({
  /** What computes: WebAssembly, plain JavaScript, or the first of them that is installed and can. Default: auto. */
  backend: z.enum(['auto', 'wasm', 'cpu']).default('auto'),
})

export type TfjsOptions = z.infer<typeof schema>

/** @throws InferenceError `failed_precondition` naming the option and what it takes */
export function parseOptions(options: Readonly<Record<string, unknown>>): TfjsOptions {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const what =
    issue?.code === 'unrecognized_keys'
      ? `unknown option '${issue.keys.join("', '")}' of runtime 'tfjs': there is ${Object.keys(schema.shape).join(', ')}`
      : `option '${issue?.path.join('.') ?? ''}' of runtime 'tfjs' is auto, wasm or cpu`
  throw new InferenceError('failed_precondition', what, { cause: result.error })
}
