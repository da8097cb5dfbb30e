/** The client: whole calls (inputs by name, deadline, retries) over any transport. */
import type { ListedModel, ModelDescription, ServerMetadata } from '../codec/description.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { openDeadline } from './deadline.ts'
import { systemClock, withRetries, type Clock } from './retry.ts'
import { inputTensor, isComplete, type Input } from './tensor-of.ts'
import type { CallContext, Transport } from './transport.ts'

/** What every call may be given. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal
  /** Time for the whole call, retries included. */
  readonly timeoutMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface ClientOptions extends CallOptions {
  /** Retries after a failure that may pass: 503, no connection. Default 3. */
  readonly retries?: number
  /** Time and chance of the retries, for tests. */
  readonly clock?: Clock
}

export interface InferOptions extends CallOptions {
  readonly version?: string
  /** Names of the outputs wanted; all of them where absent. */
  readonly outputs?: readonly string[]
  readonly parameters?: Parameters
  readonly id?: string
}

export interface InferResult {
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly response: InferenceResponse
}

/** As tritonclient waits, connection and answer. */
const defaultTimeoutMs = 60_000
const defaultRetries = 3

/**
 * Talks to one server. Every method throws InferenceError: the server's own text and the code that its status stands for,
 * `unavailable` where nobody answers, `deadline_exceeded`, `cancelled`.
 */
export class Client {
  readonly #transport: Transport
  readonly #options: ClientOptions
  readonly #clock: Clock
  /** By name and version; a model that was reloaded with other inputs is asked for again after its first refusal. */
  readonly #descriptions = new Map<string, ModelDescription | undefined>()

  constructor(transport: Transport, options: ClientOptions = {}) {
    this.#transport = transport
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * One inference.
   *
   * @param inputs by name: typed arrays, or plain values, nested or flat. What they do not say themselves, datatype and
   *   shape, is taken from the model's metadata; a flat list is then cut into rows.
   */
  infer(model: string, inputs: Readonly<Record<string, Input>>, options: InferOptions = {}): Promise<InferResult> {
    const ref = refOf(model, options.version)
    return this.#call(options, this.#retries, async (context) => {
      const request = await this.#request(ref, inputs, options, context)
      try {
        return resultOf(await this.#transport.infer(request, context))
      } catch (reason) {
        throw this.#doubt(ref, reason)
      }
    })
  }

  /**
   * One request, any number of results: word by word from a language model, one from most others. Ending the iteration
   * cancels the call. It is tried again only while nothing has come back. It takes as long as it takes, unless a timeout
   * was set here or for the client.
   *
   * @throws InferenceError `unimplemented` where the protocol cannot stream, else as every call
   */
  async *stream(
    model: string,
    inputs: Readonly<Record<string, Input>>,
    options: InferOptions = {},
  ): AsyncGenerator<InferResult, void> {
    const ref = refOf(model, options.version)
    const { context, retry, release } = this.#open(options, Infinity)
    try {
      const { first, responses } = await retry(async () => {
        const request = await this.#request(ref, inputs, options, context)
        if (this.#transport.stream === undefined) throw noStreams()
        const started = this.#transport.stream(request, context)
        return { first: await started.next(), responses: started }
      }, this.#retries)
      try {
        for (let next = first; next.done !== true; next = await responses.next()) yield resultOf(next.value)
      } finally {
        await responses.return()
      }
    } catch (reason) {
      throw this.#doubt(ref, reason)
    } finally {
      release()
    }
  }

  /** False also where nobody answers. */
  isLive(options: CallOptions = {}): Promise<boolean> {
    return this.#probe(options, (context) => this.#transport.isLive(context))
  }

  /** True where every model is ready. False also where nobody answers. */
  isReady(options: CallOptions = {}): Promise<boolean> {
    return this.#probe(options, (context) => this.#transport.isReady(context))
  }

  /** False also where the model is unknown or nobody answers. */
  isModelReady(model: string, version?: string, options: CallOptions = {}): Promise<boolean> {
    return this.#probe(options, (context) => this.#transport.isModelReady(refOf(model, version), context))
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#call(options, this.#retries, (context) => this.#transport.serverMetadata(context))
  }

  modelMetadata(model: string, version?: string, options: CallOptions = {}): Promise<ModelDescription> {
    const ref = refOf(model, version)
    return this.#call(options, this.#retries, (context) => this.#transport.modelMetadata(ref, context))
  }

  models(options: CallOptions = {}): Promise<readonly ListedModel[]> {
    return this.#call(options, this.#retries, (context) => this.#transport.models(context))
  }

  /** Closes idle connections; calls that run end with `unavailable`. */
  close(): void {
    this.#transport.close()
  }

  get #retries(): number {
    return this.#options.retries ?? defaultRetries
  }

  async #request(
    model: ModelRef,
    inputs: Readonly<Record<string, Input>>,
    { outputs, parameters, id }: InferOptions,
    context: CallContext,
  ): Promise<InferenceRequest> {
    return {
      model,
      inputs: await this.#tensors(model, inputs, context),
      ...(outputs === undefined ? {} : { outputs }),
      ...(parameters === undefined ? {} : { parameters }),
      ...(id === undefined ? {} : { id }),
    }
  }

  /** After a refusal the model is asked for its inputs anew: it may be another one by now. @returns the reason */
  #doubt(ref: ModelRef, reason: unknown): InferenceError {
    const error = InferenceError.from(reason)
    if (error.code === 'invalid_argument' || error.code === 'not_found') this.#descriptions.delete(keyOf(ref))
    return error
  }

  async #tensors(
    ref: ModelRef,
    inputs: Readonly<Record<string, Input>>,
    context: CallContext,
  ): Promise<readonly Tensor[]> {
    const entries = Object.entries(inputs)
    const description = entries.every(([, input]) => isComplete(input)) ? undefined : await this.#describe(ref, context)
    return entries.map(([name, input]) => {
      const described = description?.inputs.find((candidate) => candidate.name === name)
      return inputTensor(name, input, described, this.#transport.isUntyped)
    })
  }

  /** @returns undefined where the server tells nothing of the model; an unknown model then fails at infer itself */
  async #describe(ref: ModelRef, context: CallContext): Promise<ModelDescription | undefined> {
    const key = keyOf(ref)
    if (this.#descriptions.has(key)) return this.#descriptions.get(key)
    const asked = await this.#transport.modelMetadata(ref, context).catch((reason: unknown) => {
      const { code } = InferenceError.from(reason)
      if (code === 'not_found' || code === 'unimplemented' || code === 'invalid_argument') return undefined
      throw reason
    })
    this.#descriptions.set(key, asked)
    return asked
  }

  async #probe(options: CallOptions, ask: (context: CallContext) => Promise<boolean>): Promise<boolean> {
    try {
      return await this.#call(options, 0, ask)
    } catch (reason) {
      if (reason instanceof InferenceError && reason.code === 'unavailable') return false
      throw reason
    }
  }

  async #call<T>(options: CallOptions, retries: number, work: (context: CallContext) => Promise<T>): Promise<T> {
    const { context, retry, release } = this.#open(options, defaultTimeoutMs)
    try {
      return await retry(() => work(context), retries)
    } finally {
      release()
    }
  }

  /** @param usualTimeoutMs where neither the call nor the client has one */
  #open(options: CallOptions, usualTimeoutMs: number): OpenCall {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? usualTimeoutMs
    const { signal, release } = openDeadline({ signals: [options.signal, this.#options.signal], timeoutMs })
    const headers = lowerCased({ ...this.#options.headers, ...options.headers })
    const clock = this.#clock
    const deadline = clock.now() + timeoutMs
    return {
      context: { signal, headers, deadline: Date.now() + timeoutMs },
      retry: async (work, retries) => {
        signal.throwIfAborted()
        return withRetries(work, { retries, deadline, signal, clock })
      },
      release,
    }
  }
}

/** A call that has begun. */
interface OpenCall {
  readonly context: CallContext
  readonly retry: <T>(work: () => Promise<T>, retries: number) => Promise<T>
  readonly release: () => void
}

function noStreams(): InferenceError {
  return new InferenceError('unimplemented', 'this protocol cannot stream; connect to grpc://host:port for streaming')
}

function refOf(name: string, version: string | undefined): ModelRef {
  return version === undefined ? { name } : { name, version }
}

function resultOf(response: InferenceResponse): InferResult {
  return { outputs: Object.fromEntries(response.outputs.map((output) => [output.name, output])), response }
}

function keyOf({ name, version }: ModelRef): string {
  return `${name}\0${version ?? ''}`
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
