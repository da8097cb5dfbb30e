/** The waist: the one way in for every door. Lease, preprocess, check, predict, postprocess; observers see each call. */
import { rowsOf } from '../core/batch-dimension.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
import { checkRequest } from '../core/signature.ts'
import type { ModelHandle, Repository } from '../repository/repository.ts'
import type { ModelStatus, ServedMetadata } from '../repository/status.ts'
import { VersionLabels } from '../repository/version-labels.ts'
import type { Call, InferenceObserver, Timings, TokenEvent, Verb } from './call.ts'
import { timeoutOf } from './deadline.ts'
import type { Extensions } from './extensions.ts'
import { withForwardedHeaders } from './forwarded-headers.ts'
import { explainWith } from './explain.ts'
import { finish, inferWith, postprocess, preprocess } from './infer.ts'
import { runLimited } from './in-time.ts'
import { modelConfigOf, type ModelConfig } from './model-config.ts'
import { ModelControl } from './model-control.ts'
import type { LogControl, Peers } from './peers.ts'
import { rawModelsOf } from './raw-models.ts'
import type { ResponseCache } from './response-cache.ts'
import type { LimitTable } from './service-limits.ts'
import type { ModelStatistics, StatisticsSource } from './statistics.ts'
import { TraceSettings, type TraceSettingValues } from './trace-settings.ts'
import { TracedContext } from './traced-context.ts'

export type { Call, InferenceObserver, Timings, TokenEvent, Verb } from './call.ts'
export type { Extensions } from './extensions.ts'

export class DataPlane {
  /** Models on request: index, load, unload. */
  readonly modelControl: ModelControl
  readonly logSettings: LogControl | undefined
  readonly traceSettings = new TraceSettings()
  /** Names of the models whose ready versions take V2 gRPC requests as they came; others are decoded at the door. */
  readonly rawModels: ReadonlySet<string>
  readonly #repository: Repository
  readonly #observers: readonly InferenceObserver[]
  readonly #statistics: StatisticsSource | undefined
  readonly #forwardedHeaders: RegExp | undefined
  readonly #peers: Peers | undefined
  readonly #labels: VersionLabels
  readonly #cache: ResponseCache | undefined
  readonly #limits: LimitTable | undefined
  readonly #standIn: Extensions['standIn']

  constructor(repository: Repository, observers: readonly InferenceObserver[] = [], extensions: Extensions = {}) {
    this.#repository = repository
    this.#observers = observers
    this.modelControl = new ModelControl(repository, extensions.control, extensions.uploads)
    this.logSettings = extensions.logSettings
    this.#statistics = extensions.statistics
    this.#forwardedHeaders = extensions.forwardedHeaders
    this.#peers = extensions.peers
    this.#labels = extensions.labels ?? new VersionLabels()
    this.#limits = extensions.limits
    this.#standIn = extensions.standIn
    this.rawModels = rawModelsOf(repository)
    const cache = extensions.responseCache
    this.#cache = cache
    if (cache !== undefined) repository.onChange(({ ref, state }) => void (state === 'ready' || cache.forget(ref)))
  }

  /** Optional extensions of the V2 protocol that work here, by Triton's names and in its order. */
  get extensions(): readonly string[] {
    return [
      'classification',
      ...(this.modelControl.isEnabled ? ['model_repository'] : []),
      'schedule_policy',
      'model_configuration',
      'binary_tensor_data',
      'parameters',
      ...(this.#statistics === undefined ? [] : ['statistics']),
      ...(this.logSettings === undefined ? [] : ['logging']),
    ]
  }

  /**
   * Answers one request.
   *
   * @returns exactly the outputs asked for, in the order of the model
   * @throws InferenceError of any code; an unknown fault of a model becomes `internal`
   */
  infer(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    return this.#observed('infer', request, context, (handle, call) => inferWith(handle, call, this.#cache))
  }

  /**
   * Does work of a model that answers in a form of its own: leased, limited in time and observed as an inference is. Observers
   * see no tensors; where the answer is an error to them, `work` rejects. It tells them of tokens that pass.
   *
   * @throws InferenceError what `work` rejects with; as {@link infer}
   */
  async passThrough(
    model: ModelRef,
    context: RequestContext,
    work: (handle: ModelHandle, context: RequestContext, tell: (event: TokenEvent) => void) => Promise<void>,
  ): Promise<void> {
    await this.#observed('infer', { model, inputs: [] }, context, async (handle, call) => {
      const started = performance.now()
      await work(handle, call.context, (event) => {
        for (const observer of this.#observers) observer.onTokens?.(call, event)
      })
      call.timings.predictMs = performance.now() - started
      return { model: handle.ref, outputs: [] }
    })
  }

  /** @throws InferenceError `unimplemented` where the model has no explainer */
  explain(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    return this.#observed('explain', request, context, (handle, call) => explainWith(handle, call))
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
        const response = await inferWith(handle, call, this.#cache)
        await emit(response, true)
        return response
      }
      const asked = await preprocess(handle, call)
      const { metadata, maxBatchSize } = handle.model
      const prepared = asked.raw === undefined ? checkRequest(asked, metadata, maxBatchSize) : asked
      call.rows = rowsOf(prepared.inputs, handle.model.metadata)
      let last: InferenceResponse = { model: handle.ref, outputs: [] }
      // What the model takes, without what hooks and callers take in between.
      let resumed = performance.now()
      for await (const response of handle.model.stream(prepared, call.context)) {
        call.timings.predictMs += performance.now() - resumed
        last = finish(handle, call, await postprocess(handle, call, response))
        await emit(last, false)
        resumed = performance.now()
      }
      call.timings.predictMs += performance.now() - resumed
      return last
    })
  }

  /** @throws InferenceError `not_found`, or `unavailable` while the model is not ready */
  metadata(ref: ModelRef): ServedMetadata {
    return this.#repository.metadata(ref)
  }

  /** Returns where a call would be taken. @throws InferenceError `not_found`, or `unavailable` while the model is not ready */
  check(ref: ModelRef): void {
    this.#repository.check(ref)
  }

  /**
   * For who needs the metadata of a model that nobody has asked for yet: has it loaded.
   *
   * @returns undefined where it is known; rejects with the reason that callers read
   */
  wake(ref: ModelRef): Promise<void> | undefined {
    return this.#repository.wake(ref)
  }

  /** As Triton configures such a model. @throws InferenceError `not_found`, or `unavailable` while it is not ready */
  modelConfig(ref: ModelRef): ModelConfig {
    const metadata = this.metadata(ref)
    const { runtime, scheduling } = this.status(metadata.ref)
    return modelConfigOf(metadata, runtime, scheduling?.().isBatching)
  }

  /**
   * What the ready versions have answered so far.
   *
   * @param ref all models where absent, all ready versions where it names none
   * @throws InferenceError `not_found`; `unavailable` while not ready; `unimplemented` where nobody counts
   */
  async statistics(ref?: ModelRef): Promise<readonly ModelStatistics[]> {
    const own = this.ownStatistics(ref)
    if (this.#peers === undefined) return own
    const sums = await this.#peers.statistics()
    return own.map((one) => sums.find(({ name, version }) => name === one.name && version === one.version) ?? one)
  }

  /** The same without what other processes have answered. */
  ownStatistics(asked?: ModelRef): readonly ModelStatistics[] {
    const ref = asked && this.named(asked)
    const source = this.#statistics
    if (source === undefined) throw new InferenceError('unimplemented', 'statistics are not kept by this server')
    if (ref !== undefined) this.check(ref)
    return this.#repository
      .list()
      .filter(({ state }) => state === 'ready')
      .filter(({ ref: { name } }) => ref === undefined || name === ref.name)
      .filter(({ ref: { version } }) => ref?.version === undefined || version === ref.version)
      .map((status) => source.statisticsOf(status))
  }

  /** The version that a label names. @throws InferenceError `invalid_argument` where the model has no such label */
  labelled(model: string, label: string): Required<ModelRef> {
    return this.#labels.resolve(this.named({ name: model }).name, label)
  }

  /** Changes trace settings, in every process. @throws InferenceError as {@link TraceSettings.update} */
  async updateTrace(values: Readonly<Record<string, unknown>>, model?: string): Promise<TraceSettingValues> {
    if (this.#peers === undefined) return this.traceSettings.update(values, model)
    await this.#peers.updateTrace(values, model)
    return this.traceSettings.values(model)
  }

  /** The model behind another name for it; the same where it is its own. */
  named(ref: ModelRef): ModelRef {
    return this.#repository.named?.(ref) ?? ref
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
    const end = this.#repository.onChange(listener)
    const endPeers = this.#peers?.onChange(() => {
      for (const status of this.#repository.list()) listener(status)
    })
    return () => {
      end()
      endPeers?.()
    }
  }

  /** True where every model that was asked for is ready, in every process. */
  get isReady(): boolean {
    return this.isOwnReady && this.#peers?.isReady !== false
  }

  /** The same of this process alone. */
  get isOwnReady(): boolean {
    return this.#repository.isReady
  }

  async #observed(
    verb: Verb,
    asked: InferenceRequest,
    context: RequestContext,
    work: Work,
  ): Promise<InferenceResponse> {
    const timings: Timings = { preprocessMs: 0, queueMs: 0, predictMs: 0, postprocessMs: 0, explainMs: 0, totalMs: 0 }
    const pattern = this.#forwardedHeaders
    const request = this.#standIn === undefined ? asked : withStandIn(asked, this.#standIn(asked.model.name, verb))
    // All of its fields from the start: objects that grow take a second allocation each.
    const call: Call = {
      verb,
      request: pattern === undefined ? request : withForwardedHeaders(request, context.headers, pattern),
      context,
      timings,
      deadline: undefined,
      timeoutMs: undefined,
      ref: undefined,
      rows: undefined,
      isScheduled: undefined,
      trace: undefined,
      cache: undefined,
    }
    const started = performance.now()
    for (const observer of this.#observers) observer.onRequest?.(call)
    if (call.trace !== undefined) call.context = new TracedContext(context, call.trace)
    const leased = (handle: ModelHandle): Promise<InferenceResponse> => {
      call.ref = handle.ref
      if (handle.revision !== undefined) context.answersAs?.(handle.revision)
      return work(handle, call)
    }
    try {
      const { deadline } = context
      if (deadline !== undefined) call.deadline = deadline
      if (request.parameters !== undefined) this.#limit(call, started)
      const limit = this.#limits?.of(request.model.name)
      if (limit?.timeoutMs !== undefined) call.deadline = Math.min(call.deadline ?? Infinity, started + limit.timeoutMs)
      const response =
        limit === undefined && call.deadline === undefined
          ? await this.#repository.use(request.model, leased)
          : await runLimited(call, { limit, given: deadline }, () => this.#repository.use(request.model, leased))
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

  /**
   * The parameter `timeout`: a deadline from the arrival on. Where the model has a queue policy it means what it means to
   * Triton, a limit of the wait in the queue.
   */
  #limit(call: Call, arrived: number): void {
    const timeout = timeoutOf(call.request)
    if (timeout === undefined) return
    const { scheduling } = this.#repository.peek(call.request.model) ?? {}
    if (scheduling?.queuePolicy !== undefined || scheduling?.queuePolicies !== undefined) call.timeoutMs = timeout
    else call.deadline = Math.min(call.deadline ?? Infinity, arrived + timeout)
  }
}

function withStandIn(request: InferenceRequest, name: string | undefined): InferenceRequest {
  return name === undefined ? request : { ...request, model: { name } }
}

type Work = (handle: ModelHandle, call: Call) => Promise<InferenceResponse>
