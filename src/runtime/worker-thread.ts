/** One worker thread as the main thread sees it: calls in flight, sessions it holds, and its death. */
import { Worker } from 'node:worker_threads'
import { InferenceError, messageOf } from '../core/errors.ts'
import { Bag } from '../core/bag.ts'
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Reply, Request } from './messages.ts'
import type { PackOptions } from './transfer.ts'
import { pack, transferList, unpack } from './transfer.ts'

interface Pending {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: InferenceError) => void
}

export class WorkerThread {
  readonly #worker: Worker
  readonly #pending = new Bag<Pending>()
  readonly #onEnd: () => void
  #nextSession = 0
  #sessions = 0
  #isDead = false
  #fault = ''

  /** @param onEnd told once when the thread has ended, wanted or not */
  constructor(onEnd: () => void = () => undefined) {
    this.#onEnd = onEnd
    // `--input-type`, inherited from a program given by `node --eval`, forbids entry files. What is inherited is taken as it
    // is; what is given is checked, and flags of V8 are refused.
    const isEvaluated = process.execArgv.some((argument) => argument.startsWith('--input-type'))
    const options = isEvaluated ? { execArgv: [], name: 'servable' } : { name: 'servable' }
    this.#worker = new Worker(new URL('./thread.js', import.meta.url), options)
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', (reason) => (this.#fault = `: ${messageOf(reason)}`))
    this.#worker.on('messageerror', (reason) => {
      this.#fault = `: a reply could not be read (${messageOf(reason)})` // its call would wait for ever
      void this.end()
    })
    this.#worker.on('exit', (code) => this.#end(code))
    this.#worker.unref()
  }

  /** Sessions opened and not closed, those being opened included. */
  get sessions(): number {
    return this.#sessions
  }

  /** Calls without an answer yet. */
  get inFlight(): number {
    return this.#pending.size
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** @returns the session's number and its `info` */
  async open(module: URL, options: unknown): Promise<{ session: number; info: unknown }> {
    this.#sessions += 1
    try {
      const session = (this.#nextSession += 1)
      const reply = await this.#call({ kind: 'open', id: 0, session, module: module.href, options })
      return { session, info: reply.kind === 'opened' ? reply.info : undefined }
    } catch (reason) {
      this.#sessions -= 1
      throw reason
    }
  }

  /** @throws InferenceError what the session threw, or `internal` where the thread died */
  async run(session: number, batch: Batch, options?: PackOptions): Promise<readonly Tensor[]> {
    const inputs = pack(batch.inputs, options)
    const { outputs, parameters } = batch
    const message: Request = { kind: 'run', id: 0, session, inputs, outputs, parameters }
    const reply = await this.#call(message, transferList(inputs))
    return reply.kind === 'ran' ? unpack(reply.outputs) : []
  }

  async close(session: number): Promise<void> {
    try {
      if (!this.#isDead) await this.#call({ kind: 'close', id: 0, session })
    } finally {
      this.#sessions -= 1 // not before: an empty thread is ended, and calls in flight with it
    }
  }

  /** Ends the thread; calls in flight fail. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #call(request: Request, transfer: ArrayBuffer[] = []): Promise<Reply> {
    if (this.#isDead) return Promise.reject(new InferenceError('internal', 'the thread of this model has ended'))
    // Alive only while it works: an idle thread does not keep the process from ending.
    if (this.#pending.size === 0) this.#worker.ref()
    return new Promise((resolve, reject) => {
      request.id = this.#pending.add({ resolve, reject })
      try {
        this.#worker.postMessage(request, transfer)
      } catch (reason) {
        const error = new InferenceError('internal', `cannot send to a thread: ${messageOf(reason)}`, { cause: reason })
        this.#take(request.id)?.reject(error)
      }
    })
  }

  #settle(reply: Reply): void {
    const call = this.#take(reply.id)
    if (reply.kind === 'failed') call?.reject(new InferenceError(reply.code, reply.message))
    else call?.resolve(reply)
  }

  #take(id: number): Pending | undefined {
    const call = this.#pending.take(id)
    if (this.#pending.size === 0 && !this.#isDead) this.#worker.unref()
    return call
  }

  #end(code: number): void {
    this.#isDead = true
    const text = `the thread that ran this model ended with code ${code}${this.#fault}`
    for (const call of this.#pending.drain()) call.reject(new InferenceError('internal', text, { isFatal: true }))
    this.#onEnd()
  }
}
