/** The primary of `--workers`: starts the workers, keeps them alive, and makes one server of them. It holds no models. */
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { Changes, type Follower } from './changes.ts'
import { Conditions, pause } from './conditions.ts'
import { Counts } from './counts.ts'
import { defaultTimes, type GroupOptions, type GroupTimes, type Started } from './group-options.ts'
import { Heartbeats } from './heartbeats.ts'
import type { FromWorker, Work } from './messages.ts'
import { portsOf } from './ports.ts'
import { afterEnd, type Slot } from './slot.ts'
import { tellSteps } from './closing-steps.ts'
import { UploadDirectory } from '../uploads.ts'
import { WorkerProcess, type Addresses, type Ending } from './worker-process.ts'

/** For closing beyond the drain, before a worker is killed. */
const graceMs = 2000

export class WorkerGroup {
  readonly #options: GroupOptions
  readonly #times: GroupTimes
  readonly #log: Log
  readonly #counts: Counts
  readonly #changes: Changes
  readonly #slots: Slot[] = []
  readonly #processes = new Set<WorkerProcess>()
  /** Where each process began in the journal of changes. */
  readonly #sequences = new WeakMap<WorkerProcess, number>()
  readonly #stop = new AbortController()
  readonly #conditions = new Conditions()
  readonly #heartbeats: Heartbeats
  readonly #uploads = new UploadDirectory()
  #addresses: Addresses | undefined
  #models = 0
  #hasFailed = false
  #isStarted = false
  #toldReady = false
  #broken: InferenceError | undefined
  #rolling: Promise<void> | undefined

  constructor(options: GroupOptions) {
    this.#options = options
    this.#times = { ...defaultTimes, ...options.times }
    this.#log = options.log
    this.#counts = new Counts(this.#times.scrapeMs)
    this.#heartbeats = new Heartbeats(this.#processes, this.#times)
    this.#changes = new Changes({
      log: options.log,
      workers: () => this.#all(({ isJoined }) => isJoined),
      replace: (process) => this.#replace(process),
    })
  }

  /** Resolves once, in every worker, all models are loaded or failed. @throws InferenceError why the group cannot serve */
  async start(): Promise<Started> {
    this.#heartbeats.watch()
    for (let number = 1; number <= this.#options.workers; number += 1) {
      const slot = { number, current: this.#spawn(number, true), next: undefined, failures: 0 }
      this.#slots.push(slot)
      void this.#keep(slot)
    }
    await this.#until(() => this.#slots.every(({ current }) => current.phase === 'serving'))
    this.#isStarted = true
    this.#tellReadiness()
    const addresses = this.#addresses ?? { http: '' }
    return { addresses, models: this.#models, isReady: this.isReady, hasFailed: this.#hasFailed }
  }

  /**
   * True where every worker was ready once and all that serve are ready now: one that is restarted does not take the
   * others out of service.
   */
  get isReady(): boolean {
    const serving = this.#all(({ phase }) => phase === 'serving')
    return this.#isStarted && serving.length > 0 && serving.every(({ isReady }) => isReady)
  }

  /** Rejects where no worker can be kept alive. */
  async broken(): Promise<never> {
    await this.#until(() => false)
    throw new InferenceError('internal', 'workers: no reason')
  }

  /** What one server prints about its models. */
  async banner(): Promise<string> {
    const [worker] = this.#all(({ phase }) => phase === 'serving')
    const addresses = this.#addresses ?? { http: '' }
    const text = await worker?.exchange.ask({ kind: 'banner', addresses })
    return typeof text === 'string' ? text : ''
  }

  /** Replaces one worker after the other: the new one serves before the old one leaves. Gives up where a new one fails. */
  roll(): Promise<void> {
    this.#rolling ??= this.#roll().finally(() => (this.#rolling = undefined))
    return this.#rolling
  }

  /** All workers refuse what is new, finish what runs, and end; within `drainSeconds`. */
  async stop(): Promise<void> {
    this.#abort()
    await Promise.all([...this.#processes].map((process) => process.leave(false, this.#patienceMs)))
    this.#heartbeats.close()
    await this.#uploads.close()
  }

  /** Ends everything at once. */
  kill(): void {
    this.#abort()
    this.#heartbeats.close()
    for (const process of this.#processes) process.kill('')
  }

  #abort(): void {
    this.#stop.abort()
    this.#conditions.check()
  }

  get #patienceMs(): number {
    return this.#options.drainSeconds * 1000 + graceMs
  }

  #all(fits: (process: WorkerProcess) => boolean): readonly WorkerProcess[] {
    return [...this.#processes].filter(fits)
  }

  #spawn(number: number, isFirst: boolean): WorkerProcess {
    const process = new WorkerProcess(number, isFirst, this.#options.program, {
      onMessage: (from, message) => this.#hear(from, message),
      perform: (from, work) => this.#perform(from, work),
      onExit: (ended) => {
        this.#processes.delete(ended)
        this.#counts.retain(ended)
        tellSteps(this.#processes, this.#stop.signal)
        this.#changed()
      },
    })
    this.#processes.add(process)
    return process
  }

  /** Puts a new process in the place of one that ends, until the group stops. */
  async #keep(slot: Slot): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const watched = slot.current
      const ending = await watched.ended
      if (this.#stop.signal.aborted) return
      if (slot.current !== watched) continue // replaced on purpose
      this.#counts.countRestart(watched)
      if (slot.next !== undefined) {
        this.#tellEnd(watched, ending, 0)
        slot.current = slot.next
        continue
      }
      await this.#pause(slot, watched, ending)
      if (this.#stop.signal.aborted || this.#broken !== undefined) return
      slot.current = this.#spawn(slot.number, !this.#isStarted)
    }
  }

  async #pause(slot: Slot, ended: WorkerProcess, ending: Ending): Promise<void> {
    const isAlone = !this.#isStarted || this.#all(({ phase }) => phase === 'serving').length === 0
    const next = afterEnd(slot, ended, ending, { isAlone, isStarted: this.#isStarted, times: this.#times })
    if (next instanceof InferenceError) return this.#break(next)
    this.#tellEnd(ended, ending, next)
    await pause(next, this.#stop.signal)
  }

  #tellEnd({ number, pid }: WorkerProcess, { code, signal, reason }: Ending, restartMs: number): void {
    this.#log.error({ of: number, pid, code, signal, reason, restartMs }, 'worker ended, it is restarted')
  }

  #break(error: InferenceError): void {
    this.#broken = error
    this.#changed()
  }

  async #roll(): Promise<void> {
    this.#log.info({ workers: this.#slots.length }, 'rolling restart')
    for (const slot of this.#slots) {
      if (this.#stop.signal.aborted) return
      if (!(await this.#renew(slot))) {
        this.#log.error({ of: slot.number }, 'rolling restart given up, the new worker does not serve')
        return
      }
    }
    this.#log.info({ workers: this.#slots.length }, 'rolling restart done')
  }

  #replace(process: Follower): void {
    const slot = this.#slots.find(({ current }) => current === process)
    if (slot !== undefined) void this.#renew(slot)
  }

  /** @returns whether a new process serves in this place */
  async #renew(slot: Slot): Promise<boolean> {
    if (slot.next !== undefined) return true // is being done
    const next = this.#spawn(slot.number, false)
    slot.next = next
    await this.#until(() => next.phase !== 'starting').catch(() => undefined)
    slot.next = undefined
    if (next.phase !== 'serving' || slot.current === next) return next.phase === 'serving'
    const old = slot.current
    slot.current = next
    slot.failures = 0
    await old.leave(true, this.#patienceMs)
    return true
  }

  #hear(process: WorkerProcess, message: FromWorker): void {
    switch (message.kind) {
      case 'hello':
        this.#greet(process)
        return
      case 'listening':
        this.#open(process)
        return
      case 'loaded':
        this.#models = message.models
        this.#hasFailed = this.#hasFailed || (process.isFirst && message.hasFailed)
        if (process.isFirst) this.#serve(process)
        return
      case 'ready':
        this.#changed()
        return
      case 'together':
        tellSteps(this.#processes, this.#stop.signal)
        return
      case 'retire':
        if (!this.#stop.signal.aborted) this.#replace(process)
        return
      case 'ask':
      case 'answer':
      case 'beat':
      case 'failed':
      case 'snapshot':
    }
  }

  #greet(process: WorkerProcess): void {
    const { unloaded, settings, sequence } = this.#changes.state
    this.#sequences.set(process, sequence)
    process.send({ kind: 'group', isReady: this.isReady })
    const { isPretty } = this.#options
    const { number: worker, isFirst } = process
    const { path: uploads } = this.#uploads
    process.send({ kind: 'start', worker, isFirst, unloaded, settings, isPretty, uploads })
    process.isJoined = process.isFirst
  }

  /** Its doors are open. All must have the same: one that has others is of no use. */
  #open(process: WorkerProcess): void {
    if (this.#addresses === undefined) this.#log.info({ ...process.addresses }, 'listening')
    this.#addresses ??= process.addresses
    if (process.addresses?.http !== this.#addresses?.http || process.addresses?.grpc !== this.#addresses?.grpc) {
      if (this.#all(({ phase }) => phase === 'serving').length > 0) return process.kill('it got another port')
      this.#addresses = process.addresses
      this.#log.warn({ ...process.addresses }, 'listening, elsewhere than before')
    }
    if (!process.isFirst) this.#serve(process)
    this.#changed()
  }

  #serve(process: WorkerProcess): void {
    if (process.phase !== 'starting') return
    process.phase = 'serving'
    process.hasServed = true
    process.servedSince = performance.now()
    if (this.#isStarted) this.#log.info({ of: process.number, pid: process.pid }, 'worker serves')
    this.#changed()
  }

  async #perform(process: WorkerProcess, work: Work): Promise<unknown> {
    switch (work.kind) {
      case 'control':
        return this.#changes.control(work, process)
      case 'settings':
        return this.#changes.update(work, process)
      case 'snapshot':
        return this.#counts.sum(() => this.#all(({ hasServed, isFirst }) => hasServed || isFirst))
      case 'join':
        return this.#join(process)
      case 'banner':
        throw new InferenceError('unimplemented', 'a banner is what a worker makes')
    }
  }

  /** Before its doors open: brought up to date, and refused where it would take a ready group out of service. */
  async #join(process: WorkerProcess): Promise<{ readonly httpPort: number; readonly grpcPort?: number }> {
    await this.#changes.join(process, this.#sequences.get(process) ?? 0)
    if (this.isReady && !process.isReady) {
      process.isJoined = false
      throw new InferenceError('failed_precondition', 'its models do not load, while those of the others are ready')
    }
    const isAlone = this.#all(({ phase }) => phase === 'serving' || phase === 'leaving').length === 0
    return isAlone ? portsOf(this.#addresses, this.#options.ports) : this.#options.ports
  }

  #changed(): void {
    this.#tellReadiness()
    this.#conditions.check()
  }

  #tellReadiness(): void {
    const { isReady } = this
    if (isReady === this.#toldReady) return
    this.#toldReady = isReady
    for (const process of this.#processes) process.send({ kind: 'group', isReady })
  }

  /** @throws InferenceError where the group breaks or stops meanwhile */
  #until(isThere: () => boolean): Promise<void> {
    return this.#conditions.until(isThere, () => this.#broken ?? (this.#stop.signal.aborted ? stopped() : undefined))
  }
}

function stopped(): InferenceError {
  return new InferenceError('cancelled', 'the workers are stopped')
}
