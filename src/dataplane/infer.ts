/** One call and one model: hooks, check, prediction, and the form of the answer. */
import { rowsOf } from '../core/batch-dimension.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, RequestContext } from '../core/inference.ts'
import type { Batch } from '../core/model.ts'
import { chosenSignature, signatureParameter } from '../core/named-signature.ts'
import type { PredictOptions } from '../core/scheduling.ts'
import { checkRequest, type Signature } from '../core/signature.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import type { ModelHandle } from '../repository/repository.ts'
import { cacheKey } from './cache-key.ts'
import type { Call } from './call.ts'
import { classify } from './classification.ts'
import type { ModelCache, ResponseCache } from './response-cache.ts'

/** Answers a call by one response of the model, or by one that is kept. */
export async function inferWith(handle: ModelHandle, call: Call, cache?: ResponseCache): Promise<InferenceResponse> {
  const { model } = handle
  if (model.metadata.isDecoupled === true) throw decoupled(call.context)
  // Nobody waits for hooks that there are not: each wait is a turn of the microtasks, and most requests have none of them.
  const prepared = hasPreprocess(handle) ? await preprocess(handle, call) : call.request
  const started = performance.now()
  const signature = signatureOf(handle, prepared)
  call.rows = rowsOf(prepared.inputs, signature)
  const response =
    model.infer !== undefined
      ? await model.infer(prepared, call.context)
      : answerOf(handle, call, await predict(handle, call, { request: prepared, signature }, cache))
  call.timings.predictMs = performance.now() - started
  return finish(handle, call, hasPostprocess(handle) ? await postprocess(handle, call, response) : response)
}

/** The signature inside the hooks that a request is for. @throws InferenceError `invalid_argument` where there is none of its name */
export function signatureOf({ model, served, ref }: ModelHandle, { parameters }: InferenceRequest): Signature {
  const { metadata } = model
  if (metadata.signatures === undefined || parameters === undefined) return metadata
  const chosen = chosenSignature(served, parameters, ref.name)
  return chosen === served ? metadata : chosen
}

function answerOf({ ref }: ModelHandle, { request }: Call, outputs: readonly Tensor[]): InferenceResponse {
  return request.id === undefined ? { model: ref, outputs } : { id: request.id, model: ref, outputs }
}

function hasPreprocess({ model, hooks }: ModelHandle): boolean {
  return hooks.length > 0 || model.preprocess !== undefined
}

function hasPostprocess({ model, hooks }: ModelHandle): boolean {
  return hooks.length > 0 || model.postprocess !== undefined
}

/** What the caller asked for, in the form that it asked for. */
export function finish(handle: ModelHandle, { request }: Call, response: InferenceResponse): InferenceResponse {
  const picked = pick(response, request.outputs)
  return request.classes === undefined ? picked : classify(picked, request.classes, handle.served)
}

/** The outputs asked for and no others, in the order of the model. */
function pick(response: InferenceResponse, wanted: readonly string[] | undefined): InferenceResponse {
  if (wanted === undefined || response.outputs.every(({ name }) => wanted.includes(name))) return response
  return { ...response, outputs: response.outputs.filter(({ name }) => wanted.includes(name)) }
}

/** What Triton calls the doors that are no HTTP; the same for TF Serving's. */
const doors: Partial<Record<RequestContext['protocol'], string>> = {
  'grpc-v1': 'Predict RPC',
  'grpc-v2': 'ModelInfer RPC',
}

/** In Triton's words. */
function decoupled({ protocol }: RequestContext): InferenceError {
  const door = doors[protocol] ?? 'HTTP end point'
  return new InferenceError('unimplemented', `${door} doesn't support models with decoupled transaction policy`)
}

/** @throws InferenceError before it returns where the request does not fit the model */
function predict(
  handle: ModelHandle,
  call: Call,
  prepared: { readonly request: InferenceRequest; readonly signature: Signature },
  cache: ResponseCache | undefined,
): Promise<readonly Tensor[]> {
  const { model, hooks } = handle
  // A hook that makes outputs of its own needs all of the model's; what the caller wants is picked after it.
  const makesOutputs = hooks.some((hook) => hook.outputs !== undefined)
  const { signature } = prepared
  const visible = makesOutputs ? { inputs: signature.inputs, outputs: handle.served.outputs } : signature
  const checked = checkRequest(prepared.request, visible, model.maxBatchSize)
  const wanted = makesOutputs ? undefined : checked.outputs
  const parameters =
    checked.parameters === undefined
      ? undefined
      : modelParameters(checked.parameters, signature === model.metadata && model.metadata.signatures !== undefined)
  const batch: Mutable<Batch> = { inputs: checked.inputs }
  if (wanted !== undefined) batch.outputs = wanted
  if (parameters !== undefined) batch.parameters = parameters
  const options = predictOptions(call, checked.parameters)
  if (cache === undefined || handle.isCached !== true) return model.predict(batch, call.context, options)
  return predictOnce(batch, cache.of(handle.ref, model), call, () => model.predict(batch, call.context, options))
}

/** What the caller brings to the queue of the model. */
function predictOptions(call: Call, parameters: Parameters | undefined): PredictOptions {
  const queued = performance.now()
  const options: Mutable<PredictOptions> = { onStart: () => (call.timings.queueMs = performance.now() - queued) }
  if (call.deadline !== undefined) options.deadline = call.deadline
  if (call.timeoutMs !== undefined) options.timeoutMs = call.timeoutMs
  const priority = parameters?.['priority']
  if (typeof priority === 'number') options.priority = priority
  call.isScheduled = true
  return options
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * What the model sees: how long a caller waits, and who is served first, would only keep requests out of one run.
 *
 * @param isFirst the signature is the model's first of several: its name says nothing more
 */
function modelParameters(parameters: Parameters, isFirst: boolean): Parameters | undefined {
  const isNamed = isFirst && parameters[signatureParameter] !== undefined
  if (!isNamed && parameters['priority'] === undefined && parameters['timeout'] === undefined) return parameters
  const rest = Object.entries(parameters).filter(
    ([name]) => name !== 'priority' && name !== 'timeout' && !(isNamed && name === signatureParameter),
  )
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

/** Asks the model where no equal batch was answered before. Hooks run for every request: they see headers. */
async function predictOnce(
  batch: Batch,
  cache: ModelCache,
  call: Call,
  predict: () => Promise<readonly Tensor[]>,
): Promise<readonly Tensor[]> {
  const started = performance.now()
  const key = cacheKey(batch)
  if (key === undefined) return predict()
  const kept = cache.get(key)
  const use = { isHit: kept !== undefined, ms: performance.now() - started }
  call.cache = use
  if (kept !== undefined) {
    call.rows = undefined
    return kept
  }
  const outputs = await predict()
  const answered = performance.now()
  cache.set(key, outputs)
  use.ms += performance.now() - answered
  return outputs
}

/** The request as the hooks and the model leave it. */
export async function preprocess(handle: ModelHandle, call: Call): Promise<InferenceRequest> {
  const { model, hooks } = handle
  if (!hasPreprocess(handle)) return call.request
  const started = performance.now()
  let request = call.request
  for (const hook of hooks) if (hook.preprocess !== undefined) request = await hook.preprocess(request, call.context)
  if (model.preprocess !== undefined) request = await model.preprocess(request, call.context)
  call.timings.preprocessMs = performance.now() - started
  return request
}

/** The response as the model and the hooks leave it. */
export async function postprocess(
  handle: ModelHandle,
  call: Call,
  response: InferenceResponse,
): Promise<InferenceResponse> {
  const { model, hooks } = handle
  if (!hasPostprocess(handle)) return response
  const started = performance.now()
  let answer = response
  if (model.postprocess !== undefined) answer = await model.postprocess(answer, call.context)
  for (const hook of hooks.toReversed()) {
    if (hook.postprocess !== undefined) answer = await hook.postprocess(answer, call.context)
  }
  call.timings.postprocessMs = performance.now() - started
  return answer
}
