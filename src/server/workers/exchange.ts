/** Questions between two processes: each is numbered, answered once, and fails when the other side is gone. */
import { InferenceError } from '../../core/errors.ts'
import { errorOf, failureOf, type Outcome, type Work } from './messages.ts'

export type ExchangeMessage =
  | { readonly kind: 'ask'; readonly id: number; readonly work: Work }
  | { readonly kind: 'answer'; readonly id: number; readonly outcome: Outcome }

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: InferenceError) => void
}

export class Exchange {
  readonly #send: (message: ExchangeMessage) => void
  readonly #perform: (work: Work) => Promise<unknown>
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  #end: InferenceError | undefined

  /**
   * @param send must not throw
   * @param perform answers what the other side asks
   */
  constructor(send: (message: ExchangeMessage) => void, perform: (work: Work) => Promise<unknown>) {
    this.#send = send
    this.#perform = perform
  }

  /**
   * @param timeoutMs 0: the other side takes what time it needs
   * @throws InferenceError what the other side threw; `deadline_exceeded`; `unavailable` where it ended
   */
  ask(work: Work, timeoutMs = 0): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    const id = (this.#next += 1)
    return new Promise((resolve, reject) => {
      const timer = timeoutMs > 0 ? setTimeout(() => this.#expire(id, work, timeoutMs), timeoutMs) : undefined
      this.#waiting.set(id, {
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (reason) => (clearTimeout(timer), reject(reason)),
      })
      this.#send({ kind: 'ask', id, work })
    })
  }

  receive(message: ExchangeMessage): void {
    if (message.kind === 'ask') {
      this.#perform(message.work).then(
        (value) => this.#send({ kind: 'answer', id: message.id, outcome: { value } }),
        (reason: unknown) => this.#send({ kind: 'answer', id: message.id, outcome: { failure: failureOf(reason) } }),
      )
      return
    }
    const waiting = this.#take(message.id)
    if ('failure' in message.outcome) waiting?.reject(errorOf(message.outcome.failure))
    else waiting?.resolve(message.outcome.value)
  }

  /** Fails what waits and whatever is asked from here on. */
  close(reason: InferenceError): void {
    this.#end = reason
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(reason)
  }

  #expire(id: number, { kind }: Work, timeoutMs: number): void {
    this.#take(id)?.reject(new InferenceError('deadline_exceeded', `no answer to '${kind}' within ${timeoutMs} ms`))
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }
}
