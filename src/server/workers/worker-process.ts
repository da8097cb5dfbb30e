/** One worker as the primary sees it: a process, what it has told, and its end. */
import cluster, { type Worker } from 'node:cluster'
import { InferenceError } from '../../core/errors.ts'
import type { ClosingStep } from '../closing.ts'
import { Exchange } from './exchange.ts'
import { readFromWorker, type Failure, type FromWorker, type Snapshot, type ToWorker, type Work } from './messages.ts'
import { forwardLines, LastWords } from './output.ts'

/** `starting`: not everything is loaded. `serving`: counts for readiness. `leaving`: was told to end. */
export type Phase = 'starting' | 'serving' | 'leaving' | 'ended'

export interface Addresses {
  readonly http: string
  readonly grpc?: string | undefined
}

/** How a process is started. */
export interface Program {
  /** The file that a worker runs. */
  readonly exec: string
  readonly args: readonly string[]
  readonly execArgv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface Ending {
  readonly code: number | null
  readonly signal: string | null
  /** What it said of itself, else its last words. */
  readonly reason: string
  readonly failure?: Failure
}

interface Surroundings {
  /** Told of every message but those of the exchange and the heartbeat. */
  readonly onMessage: (process: WorkerProcess, message: FromWorker) => void
  readonly perform: (process: WorkerProcess, work: Work) => Promise<unknown>
  readonly onExit: (process: WorkerProcess) => void
}

export class WorkerProcess {
  /** From 1; that of its place, which its successor inherits. */
  readonly number: number
  /** Opens its doors before its models are loaded. */
  readonly isFirst: boolean
  readonly exchange: Exchange
  /** Resolves once the process and its output have ended. */
  readonly ended: Promise<Ending>
  phase: Phase = 'starting'
  /** Has been `serving` at some time. */
  hasServed = false
  servedSince = 0
  isReady = false
  /** Takes part in loads and unloads. */
  isJoined = false
  /** What it has come to in leaving. */
  readonly steps = new Set<ClosingStep>()
  addresses: Addresses | undefined
  /** What it had counted when it told last. */
  snapshot: Snapshot | undefined
  /** Beats that did not come. */
  missedBeats = 0
  hasGreeted = false
  readonly #worker: Worker
  readonly #words = new LastWords()
  #failure: Failure | undefined
  #killReason = ''

  constructor(number: number, isFirst: boolean, program: Program, around: Surroundings) {
    this.number = number
    this.isFirst = isFirst
    cluster.schedulingPolicy = cluster.SCHED_RR // connections in turn, so that long-lived ones are spread
    cluster.setupPrimary({
      exec: program.exec,
      args: [...program.args],
      execArgv: [...program.execArgv],
      serialization: 'advanced',
      silent: true,
    })
    this.#worker = cluster.fork(program.environment)
    this.exchange = new Exchange(
      (message) => this.send(message),
      (work) => around.perform(this, work),
    )
    const child = this.#worker.process
    if (child.stdout !== null) forwardLines(child.stdout, process.stdout)
    if (child.stderr !== null) forwardLines(child.stderr, process.stderr, (text) => this.#words.hear(text))
    this.#worker.on('message', (message: unknown) => this.#receive(message, around))
    this.#worker.on('error', () => undefined) // a message to a process that has just ended; its end is told
    child.once('exit', () => {
      this.phase = 'ended'
      this.exchange.close(new InferenceError('unavailable', `worker ${number} has ended`))
      around.onExit(this)
    })
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve(this.#ending(code, signal)))
    })
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  /** Does nothing where the process is gone. */
  send(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.process.send(message, () => undefined)
  }

  kill(reason: string): void {
    this.#killReason = reason
    this.#worker.process.kill('SIGKILL')
  }

  /** Told to end: after what runs, and where it is replaced, after what its connections still bring. */
  async leave(isReplaced: boolean, patienceMs: number): Promise<void> {
    if (this.phase !== 'ended') this.phase = 'leaving'
    this.send({ kind: 'leave', isReplaced })
    const timer = setTimeout(() => this.kill(`it did not end within ${patienceMs} ms`), patienceMs)
    await this.ended
    clearTimeout(timer)
  }

  #receive(raw: unknown, around: Surroundings): void {
    const message = readFromWorker(raw)
    if (message === undefined) return
    this.missedBeats = 0
    switch (message.kind) {
      case 'ask':
      case 'answer':
        this.exchange.receive(message)
        return
      case 'beat':
        return
      case 'failed':
        this.#failure = message.failure
        return
      case 'snapshot':
        this.snapshot = message.snapshot
        return
      case 'hello':
        this.hasGreeted = true
        break
      case 'listening':
        this.addresses = message.addresses
        break
      case 'together':
        this.steps.add(message.step)
        break
      case 'loaded':
      case 'ready':
        this.isReady = message.isReady
        break
      case 'retire':
    }
    around.onMessage(this, message)
  }

  #ending(code: number | null, signal: string | null): Ending {
    const failure = this.#failure
    const how = signal === null ? `it ended with status ${code}` : `it was ended by ${signal}`
    const said = this.#words.text || (signal === null ? this.#words.last : '') // a native crash ends with its stack
    const words = this.#killReason || failure?.message || said
    return { code, signal, reason: words === '' ? how : words, ...(failure === undefined ? {} : { failure }) }
  }
}
