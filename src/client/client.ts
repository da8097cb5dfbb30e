/** The client: whole calls (inputs by name, deadline, retries) over any transport. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse, ModelRef } from '../core/inference.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { withDeadline } from './deadline.ts'
import { systemClock, withRetries, type Clock } from './retry.ts'
import { inputTensor, isComplete, type Input } from './tensor-of.ts'
import type { CallContext, ListedModel, ModelDescription, ServerMetadata, Transport } from './transport.ts'

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
    const { version, outputs, parameters, id } = options
    const ref: ModelRef = version === undefined ? { name: model } : { name: model, version }
    return this.#call(options, this.#retries, async (context) => {
      const request = {
        model: ref,
        inputs: await this.#tensors(ref, inputs, context),
        ...(outputs === undefined ? {} : { outputs }),
        ...(parameters === undefined ? {} : { parameters }),
        ...(id === undefined ? {} : { id }),
      }
      try {
        const response = await this.#transport.infer(request, context)
        return { outputs: Object.fromEntries(response.outputs.map((output) => [output.name, output])), response }
      } catch (reason) {
        const { code } = InferenceError.from(reason)
        if (code === 'invalid_argument' || code === 'not_found') this.#descriptions.delete(keyOf(ref))
        throw reason
      }
    })
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
    const ref = version === undefined ? { name: model } : { name: model, version }
    return this.#probe(options, (context) => this.#transport.isModelReady(ref, context))
  }

  serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#call(options, this.#retries, (context) => this.#transport.serverMetadata(context))
  }

  modelMetadata(model: string, version?: string, options: CallOptions = {}): Promise<ModelDescription> {
    const ref = version === undefined ? { name: model } : { name: model, version }
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

  #call<T>(options: CallOptions, retries: number, work: (context: CallContext) => Promise<T>): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs
    const headers = lowerCased({ ...this.#options.headers, ...options.headers })
    const deadline = this.#clock.now() + timeoutMs
    return withDeadline({ signals: [options.signal, this.#options.signal], timeoutMs }, (signal) =>
      withRetries(() => work({ signal, headers }), { retries, deadline, signal, clock: this.#clock }),
    )
  }
}

function keyOf({ name, version }: ModelRef): string {
  return `${name}\0${version ?? ''}`
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
