/** Hooks in JavaScript beside a model: `hooks: ./hooks.js` in a model.yaml. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, RequestContext } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { Hooks, TensorMetadata } from '../core/model.ts'
import { nearest } from '../core/nearest.ts'
import { hookFile } from './hook-file.ts'
import { importModule } from './import-module.ts'
import { callerError, checkTensors } from './hook-result.ts'
import { z } from 'zod'
import { dataTypes } from '../core/tensor.ts'

export interface ModuleHookFile {
  /** Absolute. */
  readonly path: string
  /** The model's directory, which the file must lie in. */
  readonly root: string
  /** Name of the model, for messages. */
  readonly model: string
  readonly log: Log
}

const known = ['preprocess', 'postprocess', 'explain', 'inputs', 'outputs']

const tensors = z.array(
  z.strictObject({
    name: z.string().min(1),
    datatype: z.enum(dataTypes),
    shape: z.array(z.int().min(-1)),
  }),
)

/**
 * Imports an ES or CommonJS module and takes `preprocess(request, context)`, `postprocess(response, context)` and
 * `explain(request, context, predict)` from its default export or its named ones, plain or async; `inputs` and `outputs` declare the signature that callers see. The
 * functions get and give typed tensors. What they throw with one of the server's error codes as `code` goes to the caller;
 * anything else becomes `internal` and its details go to the log.
 *
 * @throws InferenceError `failed_precondition` where the module cannot be read or exports something else
 */
export async function loadModuleHook(file: ModuleHookFile): Promise<Hooks> {
  const path = await hookFile('hook', file.path, file.root)
  const { mtimeMs } = await stat(path)
  let exported: Readonly<Record<string, unknown>>
  try {
    exported = hooksIn(await importModule(path, mtimeMs))
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    const kind = reason instanceof SyntaxError ? 'is no valid JavaScript' : 'failed while it was imported'
    throw broken(`hook ${file.path} ${kind}: ${messageOf(reason)}`, reason)
  }
  return hooksOf(exported, file)
}

/** The default export where it is an object; named exports lie around it. */
function hooksIn(module: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const standard = module['default']
  return typeof standard === 'object' && standard !== null ? { ...module, ...standard } : module
}

function hooksOf(exported: Readonly<Record<string, unknown>>, file: ModuleHookFile): Hooks {
  const preprocess = functionOf(exported, 'preprocess', file)
  const postprocess = functionOf(exported, 'postprocess', file)
  const explain = functionOf(exported, 'explain', file)
  if (preprocess === undefined && postprocess === undefined && explain === undefined) {
    const names = Object.keys(exported).filter((name) => name !== 'default' && name !== 'module.exports')
    const near = names.map((name) => nearest(name, known)).find((name) => name !== undefined)
    const there = names.length === 0 ? 'nothing' : names.join(', ')
    const meant = near === undefined ? '' : `; did you mean ${near}?`
    throw broken(`hook ${file.path} must export preprocess, postprocess or explain; it exports ${there}${meant}`)
  }
  const inputs = tensorsOf(exported, 'inputs', file)
  const outputs = tensorsOf(exported, 'outputs', file)
  return {
    ...(inputs && { inputs }),
    ...(outputs && { outputs }),
    ...(preprocess && { preprocess: guarded(preprocess, { step: 'preprocess', part: 'inputs', file }) }),
    ...(postprocess && { postprocess: guarded(postprocess, { step: 'postprocess', part: 'outputs', file }) }),
    ...(explain && { explain: guardedExplain(explain, { step: 'explain', part: 'outputs', file }) }),
  }
}

type HookFunction = (subject: unknown, context: RequestContext, predict?: Predict) => unknown
type Predict = (request: InferenceRequest) => Promise<InferenceResponse>

function functionOf(exported: Readonly<Record<string, unknown>>, name: string, file: ModuleHookFile) {
  const value = exported[name]
  if (value === undefined) return undefined
  if (typeof value !== 'function') throw broken(`hook ${file.path}: ${name} must be a function, it is ${kindOf(value)}`)
  return value as HookFunction // what it gives back is checked at each call
}

function tensorsOf(
  exported: Readonly<Record<string, unknown>>,
  name: string,
  file: ModuleHookFile,
): readonly TensorMetadata[] | undefined {
  const value = exported[name]
  if (value === undefined) return undefined
  const parsed = tensors.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = [name, ...(issue?.path ?? [])].join('.')
  const form = "{ name: 'x', datatype: 'FP32', shape: [-1, 4] }"
  throw broken(`hook ${file.path}: ${place}: ${issue?.message ?? 'invalid'}; expected a list of ${form}`)
}

interface Guard {
  readonly step: 'preprocess' | 'postprocess' | 'explain'
  readonly part: 'inputs' | 'outputs'
  readonly file: ModuleHookFile
}

/** The function with its faults told to the log and its result checked: a wrong array would crash native code. */
function guarded<T extends InferenceRequest | InferenceResponse>(
  run: HookFunction,
  guard: Guard,
): (subject: T, context: RequestContext) => Promise<T> {
  return async (subject, context) => {
    const result = await checked(guard, context, () => run(subject, context))
    return { ...subject, ...(result as T) } // checked: it has the one part that a hook may change
  }
}

function guardedExplain(run: HookFunction, guard: Guard): NonNullable<Hooks['explain']> {
  return async (request, context, predict) => {
    const result = await checked(guard, context, () => run(request, context, predict))
    const { outputs } = result as InferenceResponse // checked: the only part that is taken
    const ref = { name: request.model.name, version: request.model.version ?? '' }
    return { ...(request.id === undefined ? {} : { id: request.id }), model: ref, outputs }
  }
}

async function checked({ step, part, file }: Guard, context: RequestContext, run: () => unknown): Promise<unknown> {
  try {
    const result = await run()
    checkTensors(result, part)
    return result
  } catch (reason) {
    const known = callerError(reason)
    if (known !== undefined) throw known
    const detail = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)
    const hook = basename(file.path)
    file.log.error({ model: file.model, hook, step, requestId: context.requestId, reason: detail }, 'hook failed')
    throw new InferenceError('internal', `hook '${hook}' of model '${file.model}' failed in ${step}`, { cause: reason })
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function broken(message: string, cause?: unknown): InferenceError {
  return new InferenceError('failed_precondition', message, cause === undefined ? {} : { cause })
}
