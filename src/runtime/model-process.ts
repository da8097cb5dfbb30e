/** One child process as the server sees it: the calls it has, what it answers, and its death. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import { FrameReader } from './frames.ts'
import { inheritedFlags } from './inherited-flags.ts'
import { LastWords } from './last-words.ts'
import { obituary, stillborn } from './obituary.ts'
import { decodeReply, encodeRequest, lifelineFd, messagesFd } from './process-messages.ts'
import type { ProcessReply, ProcessRequest } from './process-messages.ts'

const entry = fileURLToPath(new URL('./process.js', import.meta.url))
/** Calls sent ahead of the one that runs: they hide the way there and back. What is not sent can be withdrawn. */
const mostAhead = 16
/** A process that was told to end and does not is killed. */
const closeMs = 2000
/** Standard streams may be held open by others: the end is told without them after so long. */
const streamsMs = 1000

/** One run that somebody waits for. */
export interface Call {
  readonly batch: Batch
  readonly signal: AbortSignal
  readonly resolve: (outputs: readonly Tensor[]) => void
  readonly reject: (reason: InferenceError) => void
}

/** How a process ended. */
export interface Death {
  /** `ended by signal SIGFPE`, `ended with code 3`, … */
  readonly how: string
  /** The last lines it wrote, '' where there are none. */
  readonly lastWords: string
  /** From the start of the process to the start of the run that it died of, or to its end where nothing ran. */
  readonly livedMs: number
  /** Calls that it had and never began. */
  readonly notBegun: readonly Call[]
}

export interface ModelProcessOptions {
  /** The model's name, for messages. */
  readonly name: string
  readonly log: Log
  /** A run that takes longer is taken for hung, and its process killed. */
  readonly runTimeoutMs: number
  /** Told once, when it has ended without being told to. @returns true where it is started again */
  readonly onDeath: (death: Death) => boolean
}

/** A message that waits for its reply. */
interface Sent {
  readonly call?: Call
  settle(reply: ProcessReply): void
  reject(reason: InferenceError): void
}

export class ModelProcess {
  readonly #child: ChildProcess
  readonly #channel: Socket
  readonly #options: ModelProcessOptions
  readonly #lastWords = new LastWords()
  readonly #sent: Sent[] = []
  readonly #unsent: { readonly call: Call; readonly onAbort: () => void }[] = []
  readonly #ended: Promise<void>
  readonly #startedAt = performance.now()
  /** When the call in front became the one that runs. */
  #frontSince = 0
  #watch: NodeJS.Timeout | undefined
  #isHung = false
  #isEnding = false
  #isEnded = false
  #fault = ''

  constructor(options: ModelProcessOptions) {
    this.#options = options
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] as const
    this.#child = spawn(process.execPath, [...inheritedFlags(process.execArgv), entry], {
      stdio: [...stdio],
      windowsHide: true,
    })
    this.#channel = socketAt(this.#child, messagesFd)
    this.#listen()
    this.#ended = new Promise((resolve) => this.#onceEnded(resolve))
    this.#unref()
  }

  /** Calls without an answer yet. */
  get inFlight(): number {
    return this.#sent.length + this.#unsent.length
  }

  /**
   * @returns `info` of the session, and by how many bytes opening it made the process grow
   * @throws InferenceError what `open` of the session threw; `internal` where the process died of it
   */
  open(module: URL, options: unknown): Promise<{ info: unknown; memoryBytes: number }> {
    return new Promise((resolve, reject) => {
      this.#send(
        { kind: 'open', module: module.href, options },
        {
          settle: (reply) => {
            if (reply.kind === 'opened') resolve(reply)
          },
          reject,
        },
      )
    })
  }

  /** Settles the call, or hands it back in {@link Death.notBegun}. */
  take(call: Call): void {
    if (this.#unsent.length === 0 && this.#mayHaveOneMore) return this.#run(call)
    const onAbort = (): void => {
      const index = this.#unsent.findIndex((waiting) => waiting.call === call)
      if (index >= 0) this.#unsent.splice(index, 1)
      call.reject(InferenceError.from(call.signal.reason))
    }
    this.#unsent.push({ call, onAbort })
    call.signal.addEventListener('abort', onAbort, { once: true })
  }

  /** Closes the session and ends the process; kills it where it is busy or does not obey. */
  async end(): Promise<void> {
    if (this.#isEnded) return
    this.#isEnding = true
    this.#ref() // whoever closes waits for the end
    if (this.#sent.length > 0) this.#kill()
    else {
      const obeyed = new Promise<void>((resolve) =>
        this.#send({ kind: 'close' }, { settle: () => resolve(), reject: () => resolve() }),
      )
      const limit = setTimeout(() => this.#kill(), closeMs)
      await obeyed
      clearTimeout(limit)
      // Its session is closed: nothing is left but the destructors of native libraries, which are known to crash.
      this.#kill()
    }
    await this.#ended
  }

  #listen(): void {
    const { log, name } = this.#options
    const { stdout, stderr } = this.#child
    if (stdout !== null)
      this.#lastWords.follow(stdout, (line) => log.info({ model: name, line }, 'model process wrote'))
    if (stderr !== null)
      this.#lastWords.follow(stderr, (line) => log.warn({ model: name, line }, 'model process wrote'))
    const reader = new FrameReader((frame) => this.#settle(decodeReply(frame)))
    this.#channel.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
      } catch (reason) {
        this.#fault = `: ${messageOf(reason)}`
        this.#kill()
      }
    })
    this.#channel.on('drain', () => this.#flush())
    this.#channel.on('error', () => undefined) // of a process that has ended, which is told below
    socketAt(this.#child, lifelineFd).on('error', () => undefined)
  }

  #onceEnded(told: () => void): void {
    const end = (how: string): void => {
      if (this.#isEnded) return
      this.#isEnded = true
      this.#bury(how)
      told()
    }
    this.#child.on('error', (reason) => end(`could not be started: ${messageOf(reason)}`))
    this.#child.on('exit', (code, signal) => {
      const how = signal === null ? `ended with code ${String(code)}` : `ended by signal ${signal}`
      setTimeout(() => end(how), streamsMs).unref()
      this.#child.on('close', () => end(how)) // by then all that it answered and wrote was read
    })
  }

  #bury(how: string): void {
    clearTimeout(this.#watch)
    this.#channel.destroy()
    const front = this.#sent[0]
    const until = front?.call === undefined ? performance.now() : this.#frontSince
    const notBegun = [...this.#sent.slice(1), ...this.#unsent].flatMap(({ call }) => (call === undefined ? [] : [call]))
    for (const { call, onAbort } of this.#unsent) call.signal.removeEventListener('abort', onAbort)
    this.#sent.length = 0
    this.#unsent.length = 0
    if (this.#isEnding) {
      const closed = new InferenceError('internal', 'the session is closed')
      front?.reject(closed)
      for (const call of notBegun) call.reject(closed)
      return
    }
    const { name } = this.#options
    const lastWords = this.#lastWords.text
    const told = this.#isHung ? 'hung and was killed' : how + this.#fault
    const isRestarted = this.#options.onDeath({ how: told, lastWords, livedMs: until - this.#startedAt, notBegun })
    front?.reject(
      front.call === undefined
        ? stillborn(name, told, lastWords)
        : obituary(this.#options, { how: told, isHung: this.#isHung, isRestarted }),
    )
  }

  get #mayHaveOneMore(): boolean {
    return this.#sent.length < mostAhead && !this.#channel.writableNeedDrain
  }

  #run(call: Call): void {
    this.#send(
      { kind: 'run', batch: call.batch },
      {
        call,
        settle: (reply) => call.resolve(reply.kind === 'ran' ? reply.outputs : []),
        reject: call.reject,
      },
    )
  }

  #send(request: ProcessRequest, sent: Sent): void {
    let pieces: readonly Uint8Array[]
    try {
      pieces = encodeRequest(request)
    } catch (reason) {
      const text = `cannot send to the process of model '${this.#options.name}': ${messageOf(reason)}`
      return sent.reject(new InferenceError('internal', text, { cause: reason }))
    }
    if (this.#sent.length === 0) this.#ref()
    if (this.#sent.push(sent) === 1) this.#becomeFront(sent)
    this.#channel.cork()
    for (const piece of pieces) this.#channel.write(piece)
    this.#channel.uncork()
  }

  #settle(reply: ProcessReply): void {
    const sent = this.#sent.shift()
    const [next] = this.#sent
    if (next !== undefined) this.#becomeFront(next)
    if (reply.kind === 'failed') sent?.reject(new InferenceError(reply.code, reply.message))
    else sent?.settle(reply)
    this.#flush()
    if (this.#sent.length === 0) this.#unref()
  }

  #flush(): void {
    while (this.#unsent.length > 0 && this.#mayHaveOneMore) {
      const waiting = this.#unsent.shift()
      if (waiting === undefined) return
      waiting.call.signal.removeEventListener('abort', waiting.onAbort)
      this.#run(waiting.call)
    }
  }

  #becomeFront(sent: Sent): void {
    this.#frontSince = performance.now()
    if (sent.call !== undefined) this.#watch ??= setTimeout(this.#look, this.#options.runTimeoutMs).unref()
  }

  /** One timer for all calls: it looks whether the one in front is the one that it was set for. */
  readonly #look = (): void => {
    this.#watch = undefined
    if (this.#sent[0]?.call === undefined) return
    const restMs = this.#options.runTimeoutMs - (performance.now() - this.#frontSince)
    if (restMs > 0) {
      this.#watch = setTimeout(this.#look, Math.ceil(restMs)).unref()
      return
    }
    this.#isHung = true
    this.#kill()
  }

  #kill(): void {
    this.#child.kill('SIGKILL')
  }

  #ref(): void {
    this.#child.ref()
    this.#channel.ref()
  }

  /** An idle process does not keep the program from ending. */
  #unref(): void {
    if (this.#isEnding) return
    this.#child.unref()
    this.#channel.unref()
    socketAt(this.#child, lifelineFd).unref()
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream instanceof Socket) stream.unref()
  }
}

function socketAt(child: ChildProcess, fd: number): Socket {
  const stream = child.stdio[fd]
  if (stream instanceof Socket) return stream
  throw new InferenceError('internal', 'a process of a model cannot be started: there is no pipe to it')
}
