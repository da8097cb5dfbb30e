/** One transformer or explainer outside of this process: an entry of the repository that hands requests on. */
import { InferenceError } from '../../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../../core/inference.ts'
import type { Log } from '../../core/log.ts'
import type { Model } from '../../core/model.ts'
import { Payload } from '../../graph/index.ts'
import type { PlannedComponent } from '../../kserve/index.ts'
import type { LoadedModel, ModelEntry } from '../../repository/entry.ts'
import { ManagedProcess } from '../../runtime/managed-process.ts'
import { schedule } from '../../scheduling/scheduler.ts'
import { errorOf, isError } from '../graphs/reply-error.ts'
import type { ServedModelSource } from '../models.ts'
import { launchOf } from './arguments.ts'
import type { Forwarder, ForwardReply, Forwarded } from './forwarder.ts'

/** Components have no versions of their own. */
const version = '1'
const headerLengthName = 'inference-header-content-length'
const retryAfterMs = 1000

/** What all components of a server share. */
export interface ComponentSurroundings {
  readonly forwarder: Forwarder
  readonly log: Log
  /** `host:port` under which models answer without their components. */
  readonly predictor: () => Promise<string>
}

export class ServedComponent {
  readonly ref: Required<ModelRef>
  readonly source: ServedModelSource
  readonly #model: string
  readonly #protocol: 'v1' | 'v2'
  readonly #planned: PlannedComponent
  readonly #around: ComponentSurroundings
  /** `http://127.0.0.1:4711`; undefined while nothing takes requests there. */
  #base: string | undefined

  /** @param protocol of requests that come as tensors */
  constructor(model: string, protocol: 'v1' | 'v2', planned: PlannedComponent, around: ComponentSurroundings) {
    this.ref = { name: componentName(model, planned.role), version }
    this.#model = model
    this.#protocol = protocol
    this.#planned = planned
    this.#around = around
    const { idleSeconds, way, role, place } = planned
    const isIdling = idleSeconds !== undefined && way.kind === 'command'
    const entry: ModelEntry = {
      ref: this.ref,
      runtime: role,
      source: place,
      ...(isIdling ? { idleMs: idleSeconds * 1000 } : {}),
      load: (signal) => this.#load(signal),
    }
    this.source = { ref: this.ref, entry }
  }

  /**
   * Hands a request on.
   *
   * @param path with its query, as the caller asked
   * @throws InferenceError `unavailable` where nothing answers
   */
  async post(path: string, forwarded: Forwarded): Promise<ForwardReply> {
    const what = `the ${this.#planned.role} of model '${this.#model}'`
    if (this.#base === undefined) {
      throw new InferenceError('unavailable', `${what} is being started again`, { retryAfterMs })
    }
    return this.#around.forwarder.post(new URL(`${this.#base}${path}`), forwarded, what)
  }

  async #load(signal: AbortSignal): Promise<LoadedModel> {
    const { way, role } = this.#planned
    const predictor = await this.#around.predictor()
    const { log } = this.#around
    if (way.kind === 'url') {
      this.#base = way.url.replace(/\/+$/, '')
      log.info({ model: this.#model, component: role, predictor }, 'component elsewhere; its predictor_host is here')
      return loaded(this.#modelOf(), this.ref.name)
    }
    const failures = new Set<(reason: Error) => void>()
    const process = new ManagedProcess({
      name: this.ref.name,
      launch: launchOf(way, this.#model, predictor),
      log,
      onReady: ({ port }) => (this.#base = `http://127.0.0.1:${port}`),
      onDown: () => (this.#base = undefined),
      onGivenUp: (reason) => {
        for (const listener of failures) listener(reason)
      },
    })
    try {
      await process.start(signal)
    } catch (reason) {
      await process.close()
      throw reason
    }
    const model: Model = {
      ...this.#modelOf(),
      onFailure: (listener) => void failures.add(listener),
      close: async () => {
        this.#base = undefined
        await process.close()
      },
    }
    return loaded(model, this.ref.name)
  }

  #modelOf(): Model {
    return {
      metadata: { platform: this.#planned.role, inputs: [], outputs: [] },
      memoryBytes: 0,
      maxBatchSize: 0,
      concurrency: 1,
      predict: () => Promise.reject(new InferenceError('unimplemented', 'a component answers whole requests')),
      infer: (request, context) => this.#infer(request, context, 'predict'),
      explain: (request, context) => this.#infer(request, context, 'explain'),
      close: () => Promise.resolve(),
    }
  }

  /** Tensors in, tensors out: for gRPC, and for programs that hold the server. */
  async #infer(
    request: InferenceRequest,
    context: RequestContext,
    verb: 'predict' | 'explain',
  ): Promise<InferenceResponse> {
    const isV2 = this.#protocol === 'v2' && verb === 'predict'
    const payload = Payload.ofRequest({ ...request, model: { name: this.#model } }, isV2 ? 'v2' : 'v1-row')
    const body = payload.asBytes()
    const { headerLength } = payload
    const headers = {
      ...(context.requestId === '' ? {} : { 'x-request-id': context.requestId }),
      ...withoutPseudo(context.headers),
      'content-type': headerLength === undefined ? 'application/json' : 'application/octet-stream',
      ...(headerLength === undefined ? {} : { [headerLengthName]: String(headerLength) }),
    }
    const name = encodeURIComponent(this.#model)
    const path = isV2 ? `/v2/models/${name}/infer` : `/v1/models/${name}:${verb}`
    return this.#tensorsOf(await this.post(path, { headers, body, signal: context.signal }), request.id)
  }

  #tensorsOf({ status, headers, body }: ForwardReply, id: string | undefined): InferenceResponse {
    const length = Number(headers[headerLengthName] ?? NaN)
    const payload = Number.isInteger(length) ? Payload.ofBytes(body, length) : Payload.ofBytes(body)
    const reply = { status, payload }
    if (isError(reply)) throw errorOf(reply)
    if (payload.responseFormat === undefined) {
      const text = `the ${this.#planned.role} of model '${this.#model}' did not answer with tensors; call it over REST`
      throw new InferenceError('failed_precondition', text)
    }
    const { outputs, parameters } = payload.asResponse()
    const model = { name: this.#model, version }
    return {
      ...(id === undefined ? {} : { id }),
      model,
      outputs,
      ...(parameters === undefined ? {} : { parameters }),
    }
  }
}

/** Under which a component is listed. */
export function componentName(model: string, role: PlannedComponent['role']): string {
  return `${model}-${role}`
}

function loaded(model: Model, name: string): LoadedModel {
  return { model: schedule(model, { name, maxQueueSize: 0 }), hooks: [] }
}

/** gRPC's metadata has names that are none of HTTP's. */
function withoutPseudo(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !/^(:|grpc-|content-|inference-header)|-bin$/.test(name) && name !== 'te',
    ),
  )
}
