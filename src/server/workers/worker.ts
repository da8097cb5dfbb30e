/** One worker of a group: a server of its own that listens on the ports of all and answers for all. */
import { InferenceError } from '../../core/errors.ts'
import type { ServingConfig } from '../../codec/tensorflow/reload-config.ts'
import type { ServeConfig } from '../config.ts'
import type { Addresses } from '../addresses.ts'
import type { ClosingStep } from '../closing.ts'
import type { DesiredState } from '../control/desired.ts'
import type { MeshChange } from '../modelmesh/mesh-change.ts'
import { openServer, type Server } from '../server.ts'
import { Exchange } from './exchange.ts'
import {
  failureOf,
  joinSchema,
  loadOf,
  readToWorker,
  type ControlCall,
  type FromWorker,
  type SettingsCall,
  type Snapshot,
  type Start,
  type Work,
} from './messages.ts'
import { GroupPeers } from './peers.ts'

const beatMs = 1000
/** What a crash can lose of the counters. */
const snapshotMs = 5000
/** Connections that stay silent for so long are cut at the end: a client that has just got an answer has asked again by then. */
export const quietMs = 300
/** For what is still being written to a pipe. */
const exitMs = 100

export interface WorkerProgram {
  readonly config: ServeConfig
  /** What is printed once, by the first worker. */
  readonly banner: (server: Server, addresses: Addresses) => Promise<string>
}

/** Serves until the primary tells it to leave, or is gone. */
export function runWorker(open: () => WorkerProgram): void {
  const worker = new GroupWorker(open)
  process.on('message', (message) => worker.receive(message))
  // Ctrl-C in a terminal and a hang-up reach every process of a group: the primary tells what follows.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.on('SIGTERM', () => worker.send({ kind: 'retire' }))
  setInterval(() => worker.send({ kind: 'beat' }), beatMs).unref()
  worker.send({ kind: 'hello' })
}

class GroupWorker {
  readonly #open: () => WorkerProgram
  readonly #exchange: Exchange
  readonly #peers: GroupPeers
  #program: WorkerProgram | undefined
  #server: Server | undefined
  #isLeaving = false
  /** Its doors are open. */
  #isOpen = false
  /** End the waits for the others, see {@link CloseOptions}. */
  readonly #waits = new Map<ClosingStep, () => void>()

  constructor(open: () => WorkerProgram) {
    this.#open = open
    this.#exchange = new Exchange(
      (message) => this.send(message),
      (work) => this.#perform(work),
    )
    this.#peers = new GroupPeers(this.#exchange)
  }

  send(message: FromWorker, sent: () => void = () => undefined): void {
    if (process.connected) process.send?.(message, undefined, undefined, sent)
  }

  receive(raw: unknown): void {
    const message = readToWorker(raw)
    switch (message?.kind) {
      case undefined:
        return
      case 'ask':
      case 'answer':
        this.#exchange.receive(message)
        return
      case 'group':
        this.#peers.become(message.isReady)
        return
      case 'start':
        void this.#start(message).catch((reason: unknown) => this.#fail(reason))
        return
      case 'together':
        this.#waits.get(message.step)?.()
        return
      case 'leave':
        void this.#leave(message.isReplaced)
    }
  }

  async #start(start: Start): Promise<void> {
    this.#program = this.#open()
    const server = await this.#make(this.#program.config, start)
    this.#isOpen = start.isFirst
    if (start.isFirst) this.send({ kind: 'listening', addresses: await server.listen() })
    const statuses = await server.load(new Set(start.unloaded))
    const hasFailed = statuses.some(({ state }) => state === 'failed')
    const tellReady = (): void => this.send({ kind: 'ready', isReady: isReady(server) })
    server.dataPlane.onChange(tellReady)
    this.send({ kind: 'loaded', models: statuses.length, isReady: isReady(server), hasFailed })
    if (!start.isFirst) {
      const ports = joinSchema.parse(await this.#exchange.ask({ kind: 'join' }))
      this.#isOpen = true
      this.send({ kind: 'listening', addresses: await server.listen(ports) })
    }
    setInterval(() => void this.#tellSnapshot(), snapshotMs).unref()
  }

  async #make(config: ServeConfig, start: Start): Promise<Server> {
    const server = await openServer(
      {
        ...config,
        logFormat: start.isPretty ? 'pretty' : 'json',
        ...(start.worker === 1 ? {} : { terminationLog: '' }), // told once
      },
      {
        peers: this.#peers,
        metrics: () => this.#peers.metrics(),
        control: this.#peers.control,
        objects: (state) => this.#peers.objects(state),
        names: (change) => this.#peers.names(change),
        logControl: (settings) => this.#peers.logControl(settings),
        logFields: { worker: start.worker },
        uploads: start.uploads,
      },
    )
    for (const settings of start.settings) updateSettings(server, settings)
    this.#server = server
    return server
  }

  async #perform(work: Work): Promise<unknown> {
    const server = this.#server
    if (server === undefined) throw new InferenceError('unavailable', 'this worker has not started')
    switch (work.kind) {
      case 'control':
        await perform(server, work, !this.#isOpen)
        // One that starts later opens its doors once it can answer what the others can.
        return this.#isOpen ? undefined : server.own.settled()
      case 'settings':
        return updateSettings(server, work)
      case 'snapshot':
        return snapshotOf(server)
      case 'banner':
        return this.#program?.banner(server, withoutUndefined(work.addresses))
      case 'join':
        throw new InferenceError('unimplemented', 'leave to join is what the primary gives')
    }
  }

  async #tellSnapshot(): Promise<void> {
    if (this.#server !== undefined) this.send({ kind: 'snapshot', snapshot: await snapshotOf(this.#server) })
  }

  async #leave(isReplaced: boolean): Promise<void> {
    if (this.#isLeaving) return
    this.#isLeaving = true
    const together = (step: ClosingStep): Promise<void> =>
      new Promise((resolve) => {
        this.#waits.set(step, resolve)
        this.send({ kind: 'together', step })
      })
    await this.#server?.close({ isReplaced, quietMs, ...(isReplaced ? {} : { together }) })
    if (this.#server === undefined) process.exit(0)
    const snapshot = await snapshotOf(this.#server)
    this.send({ kind: 'snapshot', snapshot }, () => setTimeout(() => process.exit(0), exitMs))
  }

  #fail(reason: unknown): void {
    if (this.#isLeaving) return
    if (!(reason instanceof InferenceError))
      process.stderr.write(`${reason instanceof Error ? reason.stack : String(reason)}\n`)
    this.send({ kind: 'failed', failure: failureOf(reason) }, () => process.exit(1))
  }
}

/** The models of this process alone. */
function isReady({ dataPlane }: Server): boolean {
  return dataPlane.isOwnReady
}

async function snapshotOf({ own, dataPlane }: Server): Promise<Snapshot> {
  const statistics = dataPlane.ownStatistics().map((model) => ({ ...model }))
  return { metrics: await own.metrics(), statistics }
}

async function perform({ own }: Server, { verb, argument }: ControlCall, isReplay: boolean): Promise<void> {
  const { control, objects, names } = own
  // The primary sends on what another worker's data plane, of this very version, has checked.
  if (verb === 'reload') return control.reload(argument as readonly ServingConfig[])
  if (verb === 'objects') return objects(argument as DesiredState)
  if (verb === 'names') return names(argument as MeshChange, isReplay)
  return verb === 'load' ? control.load(...loadOf(argument)) : control.unload(String(argument))
}

function updateSettings({ own, dataPlane }: Server, { subject, values, model }: SettingsCall): void {
  if (subject === 'log') own.logSettings.update(values)
  else dataPlane.traceSettings.update(values, model)
}

function withoutUndefined({ http, grpc }: { http: string; grpc?: string | undefined }): Addresses {
  return grpc === undefined ? { http } : { http, grpc }
}
