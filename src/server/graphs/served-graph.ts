/** One graph of a server: a model to those who bring tensors, an HTTP exchange to those who bring bytes. */
import { InferenceError } from '../../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../../core/inference.ts'
import { boundLog } from '../../core/log.ts'
import type { Model } from '../../core/model.ts'
import type { Signature } from '../../core/signature.ts'
import { InferenceGraph, Payload } from '../../graph/index.ts'
import type { ExplainedReply, GraphReply, GraphSpec, HeaderPatterns, StepCall, StepReply } from '../../graph/index.ts'
import type { LoadedModel } from '../../repository/entry.ts'
import type { GraphExchange } from '../../rest/options.ts'
import { answerOf } from '../../rest/status.ts'
import { schedule } from '../../scheduling/scheduler.ts'
import type { GraphCounts } from '../../telemetry/graph-counts.ts'
import type { Tracer } from '../../telemetry/tracer.ts'
import type { ServedModelSource } from '../models.ts'
import { callModel, refusal, StepContext, type LocalDoor } from './local.ts'
import type { RemoteServices } from './remote.ts'
import { errorOf, isError, codeOf } from './reply-error.ts'
import type { ServicesByStep } from './services.ts'
import { graphSignature } from './signature.ts'

/** Graphs have no versions of their own. */
const version = '1'

/** A graph that was read and whose services were found. */
export interface ReadyGraph {
  readonly name: string
  readonly namespace: string
  readonly spec: GraphSpec
  readonly services: ServicesByStep
  readonly propagate: HeaderPatterns
}

/** What all graphs of a server share. */
export interface Surroundings extends LocalDoor {
  readonly remote: RemoteServices
  readonly counts: GraphCounts
  readonly tracer: Tracer | undefined
  readonly graph: (name: string) => ServedGraph | undefined
}

export class ServedGraph {
  readonly ref: Required<ModelRef>
  readonly namespace: string
  /** Models and graphs of this server that it calls, each once. */
  readonly dependencies: readonly string[]
  readonly source: ServedModelSource
  readonly #graph: ReadyGraph
  readonly #around: Surroundings
  #engine: InferenceGraph
  #signature = ''

  constructor(graph: ReadyGraph, around: Surroundings) {
    const { name, namespace, services } = graph
    this.ref = { name, version }
    this.namespace = namespace
    this.#graph = graph
    this.#around = around
    const local = [...services.values()].flatMap((service) => (service.kind === 'remote' ? [] : [service.name]))
    this.dependencies = [...new Set(local)]
    this.source = { ref: this.ref, entry: { ref: this.ref, runtime: 'graph', load: () => this.#load() } }
    this.#engine = this.#open()
  }

  /** True where the models behind it do not have the signature any more with which it was loaded. */
  get isOutdated(): boolean {
    return JSON.stringify(this.#currentSignature()) !== this.#signature
  }

  /**
   * Answers bytes by bytes, with whatever status the steps make of it.
   *
   * @throws InferenceError as the data plane and the graph do
   */
  async answer({ model, payload, context, isExplained }: GraphExchange): Promise<GraphReply | ExplainedReply> {
    const told: { reply?: GraphReply | ExplainedReply } = {}
    try {
      await this.#around.dataPlane.passThrough(model, context, async (_handle, limited) => {
        const request = { payload, headers: limited.headers, signal: limited.signal, origin: limited }
        const reply = await (isExplained ? this.#engine.explain(request) : this.#engine.infer(request))
        told.reply = reply
        if (isError(reply)) throw new InferenceError(codeOf(reply.status), 'the graph answered with an error')
      })
    } catch (reason) {
      if (told.reply === undefined) throw this.#countFailure(reason)
    }
    if (told.reply === undefined) throw new InferenceError('internal', `graph '${this.ref.name}' gave no answer`)
    this.#count(told.reply.status)
    return told.reply
  }

  async #load(): Promise<LoadedModel> {
    for (const name of this.dependencies) this.#checkReady(name)
    const signature = this.#currentSignature()
    this.#signature = JSON.stringify(signature)
    const engine = this.#open()
    this.#engine = engine
    return { model: schedule(this.#modelOf(engine, signature), { name: this.ref.name, maxQueueSize: 0 }), hooks: [] }
  }

  #checkReady(name: string): void {
    try {
      this.#around.dataPlane.check({ name })
    } catch (reason) {
      const { message } = InferenceError.from(reason)
      throw new InferenceError('failed_precondition', `waits for '${name}': ${message}`, { cause: reason })
    }
  }

  /** Without what is not ready. */
  #currentSignature(): Signature {
    const { spec, services } = this.#graph
    return graphSignature(spec, (step) => {
      const service = services.get(step)
      if (service === undefined || service.kind === 'remote') return undefined
      const status = this.#around.dataPlane.status({ name: service.name })
      return status.metadata
    })
  }

  #open(): InferenceGraph {
    const { name, spec, propagate } = this.#graph
    const { counts, log, tracer } = this.#around
    return new InferenceGraph(spec, {
      call: (call) => this.#call(call),
      propagate,
      observe: (record, span) => {
        counts.observe(name, record)
        if (span !== undefined) tracer?.addStep(name, record, span)
      },
      ...(tracer === undefined ? {} : { beginSpan: (parent) => tracer.begin(parent) }),
      log: boundLog(log, { graph: name }),
    })
  }

  async #call(call: StepCall): Promise<StepReply> {
    const service = this.#graph.services.get(call.step)
    switch (service?.kind) {
      case 'model':
        return callModel(this.#around, service, call)
      case 'remote':
        return this.#around.remote.call(service.url, call)
      case 'graph':
        return this.#callGraph(service.name, call)
      case undefined:
        throw new InferenceError('internal', `step '${call.step.key}' of node '${call.node}' has no service`)
    }
  }

  async #callGraph(name: string, call: StepCall): Promise<StepReply> {
    const model = { name }
    const exchange = { model, payload: call.payload, context: new StepContext(call), isExplained: false }
    try {
      const graph = this.#around.graph(name)
      if (graph === undefined) throw new InferenceError('not_found', `Model with name ${name} does not exist.`)
      return await graph.answer(exchange)
    } catch (reason) {
      return refusal(this.#around, call, reason)
    }
  }

  #modelOf(engine: InferenceGraph, signature: Signature): Model {
    return {
      metadata: { platform: 'inference_graph', ...signature },
      memoryBytes: 0,
      maxBatchSize: 0,
      concurrency: 1,
      predict: () => Promise.reject(new InferenceError('unimplemented', 'a graph answers whole requests')),
      infer: (request, context) => this.#infer(engine, request, context),
      close: async () => engine.close(),
    }
  }

  /** Tensors in, tensors out: for gRPC and for programs. */
  async #infer(engine: InferenceGraph, request: InferenceRequest, context: RequestContext): Promise<InferenceResponse> {
    let reply: GraphReply
    try {
      const { headers, signal } = context
      reply = await engine.infer({ payload: Payload.ofRequest(request, 'v2'), headers, signal, origin: context })
    } catch (reason) {
      throw this.#countFailure(reason)
    }
    this.#count(reply.status)
    if (isError(reply)) throw errorOf(reply)
    const { outputs, parameters } = this.#tensorsOf(reply)
    return {
      ...(request.id === undefined ? {} : { id: request.id }),
      model: this.ref,
      outputs,
      ...(parameters === undefined ? {} : { parameters }),
    }
  }

  #tensorsOf({ payload }: GraphReply): InferenceResponse {
    try {
      if (payload.responseFormat !== undefined) return payload.asResponse()
    } catch (cause) {
      throw new InferenceError('failed_precondition', this.#noTensors(`: ${InferenceError.from(cause).message}`), {
        cause,
      })
    }
    throw new InferenceError('failed_precondition', this.#noTensors(''))
  }

  #noTensors(why: string): string {
    return `graph '${this.ref.name}' did not answer with tensors${why}; call it over REST, or have it combine what its steps answer`
  }

  #count(status: number): void {
    this.#around.counts.count(this.ref.name, status)
  }

  #countFailure(reason: unknown): unknown {
    this.#count(answerOf(reason, this.#around.refuseStatus).status)
    return reason
  }
}
