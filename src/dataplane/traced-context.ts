/** A context that stands at a place in a trace: what the call makes on its way is part of its span. */
import type { RequestContext } from '../core/inference.ts'
import { traceHeaders, type TraceContext } from '../core/trace-context.ts'

export class TracedContext implements RequestContext {
  readonly trace: TraceContext
  readonly #context: RequestContext
  #headers: Readonly<Record<string, string>> | undefined

  constructor(context: RequestContext, trace: TraceContext) {
    this.#context = context
    this.trace = trace
  }

  get requestId(): string {
    return this.#context.requestId
  }

  get protocol(): RequestContext['protocol'] {
    return this.#context.protocol
  }

  get signal(): AbortSignal {
    return this.#context.signal
  }

  get isAborted(): boolean {
    return this.#context.isAborted ?? this.#context.signal.aborted
  }

  get deadline(): number | undefined {
    return this.#context.deadline
  }

  /** Those of the caller, and where this call stands instead of where the caller did: a model that passes headers on tells its span. */
  get headers(): Readonly<Record<string, string>> {
    this.#headers ??= { ...this.#context.headers, ...Object.fromEntries(traceHeaders(this.trace)) }
    return this.#headers
  }
}
