/** The waist: the one way in for every door. Lease, preprocess, check, predict, postprocess; observers see each call. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
import { checkRequest } from '../core/signature.ts'
import type { ModelHandle, Repository } from '../repository/repository.ts'
import type { ModelStatus, ServedMetadata } from '../repository/status.ts'

/** Milliseconds of each part of a call; 0 where a part did not run. */
export interface Timings {
  preprocessMs: number
  predictMs: number
  postprocessMs: number
  explainMs: number
  totalMs: number
}

export type Verb = 'infer' | 'explain'

/** One call as observers see it. `model` is resolved to a version once the lease is taken. */
export interface Call {
  readonly verb: Verb
  readonly request: InferenceRequest
  readonly context: RequestContext
  readonly timings: Timings
  /** The version that ran; absent where none was found. */
  ref?: Required<ModelRef>
}

/** Sees each call go by: metrics and the payload log are observers. Must not throw. */
export interface InferenceObserver {
  onRequest?(call: Call): void
  onResponse?(call: Call, response: InferenceResponse): void
  onError?(call: Call, error: InferenceError): void
}

export class DataPlane {
  readonly #repository: Repository
  readonly #observers: readonly InferenceObserver[]

  constructor(repository: Repository, observers: readonly InferenceObserver[] = []) {
    this.#repository = repository
    this.#observers = observers
  }

  /**
   * Answers one request.
   *
   * @returns exactly the outputs asked for, in the order of the model
   * @throws InferenceError of any code; an unknown fault of a model becomes `internal`
   */
  infer(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    return this.#observed('infer', request, context, (handle, call) => inferWith(handle, call))
  }

  /** @throws InferenceError `unimplemented` where the model has no explainer */
  explain(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    return this.#observed('explain', request, context, async (handle, call) => {
      if (handle.model.explain === undefined) {
        throw new InferenceError('unimplemented', `Model with name ${handle.ref.name} has no explainer.`)
      }
      const prepared = await preprocess(handle, call)
      const started = performance.now()
      const response = await handle.model.explain(prepared, context)
      call.timings.explainMs = performance.now() - started
      return postprocess(handle, call, response)
    })
  }

  /**
   * Answers one request by as many responses as the model gives; a model without `stream` gives one.
   *
   * @param emit takes each response; `isOnly` where the model gives exactly one. The model waits for it
   * @throws InferenceError of any code; an unknown fault of a model becomes `internal`
   */
  async stream(
    request: InferenceRequest,
    context: RequestContext,
    emit: (response: InferenceResponse, isOnly: boolean) => Promise<void>,
  ): Promise<void> {
    await this.#observed('infer', request, context, async (handle, call) => {
      if (handle.model.stream === undefined) {
        const response = await inferWith(handle, call)
        await emit(response, true)
        return response
      }
      const prepared = checkRequest(await preprocess(handle, call), handle.model.metadata, handle.model.maxBatchSize)
      let last: InferenceResponse = { model: handle.ref, outputs: [] }
      for await (const response of handle.model.stream(prepared, context)) {
        last = await postprocess(handle, call, response)
        await emit(last, false)
      }
      return last
    })
  }

  /** @throws InferenceError `not_found`, or `unavailable` while the model is not ready */
  metadata(ref: ModelRef): ServedMetadata {
    return this.#repository.metadata(ref)
  }

  /** @throws InferenceError `not_found` */
  status(ref: ModelRef): ModelStatus {
    return this.#repository.status(ref)
  }

  models(): readonly ModelStatus[] {
    return this.#repository.list()
  }

  /** Tells of every change of a model's state, after it happened. @returns ends the telling */
  onChange(listener: (status: ModelStatus) => void): () => void {
    return this.#repository.onChange(listener)
  }

  /** True where every model that was asked for is ready. */
  get isReady(): boolean {
    return this.#repository.isReady
  }

  async #observed(
    verb: Verb,
    request: InferenceRequest,
    context: RequestContext,
    work: (handle: ModelHandle, call: Call) => Promise<InferenceResponse>,
  ): Promise<InferenceResponse> {
    const timings: Timings = { preprocessMs: 0, predictMs: 0, postprocessMs: 0, explainMs: 0, totalMs: 0 }
    const call: Call = { verb, request, context, timings }
    const started = performance.now()
    for (const observer of this.#observers) observer.onRequest?.(call)
    try {
      const response = await this.#repository.use(request.model, (handle) => {
        call.ref = handle.ref
        return work(handle, call)
      })
      timings.totalMs = performance.now() - started
      for (const observer of this.#observers) observer.onResponse?.(call, response)
      return response
    } catch (reason) {
      const error = InferenceError.from(reason)
      timings.totalMs = performance.now() - started
      for (const observer of this.#observers) observer.onError?.(call, error)
      throw error
    }
  }
}

async function inferWith(handle: ModelHandle, call: Call): Promise<InferenceResponse> {
  const { model } = handle
  if (model.metadata.isDecoupled === true) throw decoupled(call.context)
  const prepared = await preprocess(handle, call)
  const started = performance.now()
  const response =
    model.infer !== undefined
      ? await model.infer(prepared, call.context)
      : {
          ...(call.request.id === undefined ? {} : { id: call.request.id }),
          model: handle.ref,
          outputs: await predict(handle, call, prepared),
        }
  call.timings.predictMs = performance.now() - started
  return pick(await postprocess(handle, call, response), call.request.outputs)
}

/** The outputs asked for and no others, in the order of the model. */
function pick(response: InferenceResponse, wanted: readonly string[] | undefined): InferenceResponse {
  if (wanted === undefined || response.outputs.every(({ name }) => wanted.includes(name))) return response
  return { ...response, outputs: response.outputs.filter(({ name }) => wanted.includes(name)) }
}

/** In Triton's words. */
function decoupled({ protocol }: RequestContext): InferenceError {
  const door = protocol === 'grpc-v2' ? 'ModelInfer RPC' : 'HTTP end point'
  return new InferenceError('unimplemented', `${door} doesn't support models with decoupled transaction policy`)
}

async function predict(handle: ModelHandle, call: Call, prepared: InferenceRequest) {
  const { model, hooks } = handle
  // A hook that makes outputs of its own needs all of the model's; what the caller wants is picked after it.
  const makesOutputs = hooks.some((hook) => hook.outputs !== undefined)
  const signature = makesOutputs ? { inputs: model.metadata.inputs, outputs: handle.served.outputs } : model.metadata
  const checked = checkRequest(prepared, signature, model.maxBatchSize)
  const wanted = makesOutputs ? undefined : checked.outputs
  return model.predict(
    {
      inputs: checked.inputs,
      ...(wanted === undefined ? {} : { outputs: wanted }),
      ...(checked.parameters === undefined ? {} : { parameters: checked.parameters }),
    },
    call.context.signal,
  )
}

async function preprocess(handle: ModelHandle, call: Call): Promise<InferenceRequest> {
  const { model, hooks } = handle
  if (hooks.length === 0 && model.preprocess === undefined) return call.request
  const started = performance.now()
  let request = call.request
  for (const hook of hooks) if (hook.preprocess !== undefined) request = await hook.preprocess(request, call.context)
  if (model.preprocess !== undefined) request = await model.preprocess(request, call.context)
  call.timings.preprocessMs = performance.now() - started
  return request
}

async function postprocess(handle: ModelHandle, call: Call, response: InferenceResponse): Promise<InferenceResponse> {
  const { model, hooks } = handle
  if (hooks.length === 0 && model.postprocess === undefined) return response
  const started = performance.now()
  let answer = response
  if (model.postprocess !== undefined) answer = await model.postprocess(answer, call.context)
  for (const hook of hooks.toReversed()) {
    if (hook.postprocess !== undefined) answer = await hook.postprocess(answer, call.context)
  }
  call.timings.postprocessMs = performance.now() - started
  return answer
}
