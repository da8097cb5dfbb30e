/** Opens a model's sessions where they run best: placement, threads and sessions, measured where the user leaves it open. */
import { stat } from 'node:fs/promises'
import type { DeviceChoice, Log, ModelSpec, Parameters, PlacedSession, Placement } from '../../src/runtime/index.ts'
import { place, usableCpus } from '../../src/runtime/index.ts'
import { chooseParallelism, parallelRunUs } from './choose-parallelism.ts'
import type { Parallelism, ParallelismFacts } from './choose-parallelism.ts'
import { choosePlacement, threadFileBytes } from './choose-placement.ts'
import type { PlacementChoice } from './choose-placement.ts'
import { measureHop } from './hop.ts'
import { forget, keyOf, recall, remember } from './known-models.ts'
import type { KnownModel } from './known-models.ts'
import { opensLater } from './opens-later.ts'
import { nativeOptions } from './options.ts'
import type { OnnxOptions } from './options.ts'
import type { Placed } from './placed-model.ts'
import { inlineWithPool, placed } from './placed-model.ts'
import type { OnnxInfo, OnnxSessionOptions } from './session.ts'
import type { Timings } from './warm-up.ts'

const sessionModule = new URL('./session.js', import.meta.url)

/** Everything that the steps of one load share. */
export interface Loading {
  readonly spec: ModelSpec
  readonly file: string
  /** Tells the file apart; undefined where there is none. */
  readonly print: string | undefined
  /** The model itself, where another runtime made it from its file. */
  readonly bytes?: Uint8Array
  /** What is told of that model in place of an ONNX file. */
  readonly origin?: { readonly platform: string; readonly parameters: Parameters }
  readonly options: OnnxOptions
  readonly choice: DeviceChoice
  readonly log: Log
  readonly signal: AbortSignal
  /** Changed in place where the model moves later. */
  readonly parameters: Record<string, string | number | boolean>
}

/** `info` is that of the session that was measured. */
export type Measured = Placed & {
  readonly hopUs: number
  readonly info: OnnxInfo
  readonly parallelism: Parallelism
  /** It was opened before and is not measured again. */
  readonly isKnown?: true
}

/** A session and how it was opened. */
interface Opened {
  readonly session: PlacedSession
  readonly threads: number
}

/** A file that takes longer to open is not opened again to compare. */
const mostOpenMs = 2000

/** @throws InferenceError that says what is wrong with the file or the options */
export async function openPlaced(loading: Loading): Promise<Measured> {
  const { placement } = loading.spec
  if (placement === 'auto') return openAuto(loading)
  const given = givenParallelism(loading, placement)
  if (given !== undefined) return openAs(loading, placement, given, 'asked for')
  const { threads } = uncompared(placement)
  const session = await openIn(loading, placement, { threads, instances: 1 })
  return spread(loading, placement, 'asked for', { session, threads })
}

/** As the file was opened before, where it was; else as measurements say. */
async function openAuto(loading: Loading): Promise<Measured> {
  const { print, options, choice, spec } = loading
  if (print === undefined) return openMeasured(loading)
  const key = keyOf(print, [options, choice.device, spec.instances])
  const known = recall(key)
  if (known !== undefined) return openKnown(loading, known, key)
  const model = await openMeasured(loading, key)
  const { placement, reason, inlineBytes = 0, parallelism, hopUs, info } = model
  remember(key, { placement, reason, inlineMaxBytes: inlineBytes, parallelism, hopUs, timings: info.timings })
  return model
}

async function openKnown(loading: Loading, known: KnownModel, key: string): Promise<Measured> {
  const { placement, reason, parallelism, hopUs, timings } = known
  const session = await openIn(loading, placement, parallelism, timings)
  if (placement !== 'inline') {
    return { ...placed(session, reason), info: infoOf(session), parallelism, hopUs, isKnown: true }
  }
  const pool = opensLater('pool', () => openIn(loading, 'pool', { threads: 1, instances: 1 }, timings))
  const model = inline(loading, session, pool, known, key)
  return Object.assign(model, { hopUs, info: infoOf(session), parallelism, isKnown: true as const })
}

async function openMeasured(loading: Loading, key?: string): Promise<Measured> {
  if ((await sizeOf(loading)) >= threadFileBytes) {
    const reason = `its file is larger than ${threadFileBytes / 1e6} MB`
    const all = { threads: usableCpus(), instances: 1, reason: 'its file is too large to be opened twice' }
    return openAs(loading, 'thread', givenParallelism(loading, 'thread') ?? all, reason)
  }
  const pool = await openIn(loading, 'pool', { threads: 1, instances: loading.spec.instances ?? 1 })
  const choice = choosePlacement(infoOf(pool), loading.choice.device)
  if (choice.placement === 'inline') return openInline(loading, pool, choice, key)
  const given = givenParallelism(loading, choice.placement)
  if (given === undefined) return spread(loading, choice.placement, choice.reason, { session: pool, threads: 1 })
  if (choice.placement === 'pool') return measured(placed(pool, choice.reason), given)
  const thread = await closingOnFailure([pool], () => openAs(loading, choice.placement, given, choice.reason))
  await pool.close()
  return thread
}

function openInline(
  loading: Loading,
  pool: PlacedSession,
  choice: PlacementChoice,
  key: string | undefined,
): Promise<Measured> {
  return closingOnFailure([pool], async () => {
    const hopUs = await measureHop(pool, infoOf(pool))
    const parallelism = { threads: 1, instances: 1, reason: 'it runs on the main thread' }
    const session = await openIn(loading, 'inline', parallelism, infoOf(pool).timings)
    return Object.assign(inline(loading, session, pool, choice, key), { hopUs, info: infoOf(pool), parallelism })
  })
}

function inline(
  { parameters, log, spec }: Loading,
  session: PlacedSession,
  pool: PlacedSession,
  { inlineMaxBytes, reason }: Pick<PlacementChoice, 'inlineMaxBytes' | 'reason'>,
  key: string | undefined,
): Placed {
  return inlineWithPool(session, pool, {
    maxBytes: inlineMaxBytes,
    reason,
    log,
    model: spec.ref.name,
    onDemotion: (why) => {
      if (key !== undefined) forget(key)
      Object.assign(parameters, { placement: 'pool', placement_reason: why })
    },
  })
}

/**
 * Threads and sessions of a model whose user left them open: where a run is long enough to matter, a session with one thread is
 * compared to one with all of them.
 *
 * @param first one session with one thread, or with all
 */
async function spread(loading: Loading, target: Placement, reason: string, first: Opened): Promise<Measured> {
  const sessions = [first.session]
  return closingOnFailure(sessions, async () => {
    const second = isComparable(loading, first) ? await openOther(loading, target, first) : undefined
    if (second !== undefined) sessions.push(second.session)
    const opened = second === undefined ? [first] : [first, second]
    const parallelism = second === undefined ? uncompared(target) : chooseParallelism(factsOf(opened))
    const kept = opened.find(
      ({ session, threads }) =>
        session.placement === target && threads === parallelism.threads && session.instances === parallelism.instances,
    )
    for (const one of opened) if (one !== kept) await one.session.close()
    if (kept === undefined) return openAs(loading, target, parallelism, reason)
    return measured(placed(kept.session, reason), parallelism)
  })
}

/** GPUs are one; a run that is short, or a file that is slow to open, is not worth a second opening. */
function isComparable({ choice }: Loading, { session, threads }: Opened): boolean {
  const { openMs, timings } = infoOf(session)
  const cpus = usableCpus()
  if (cpus === 1 || choice.device !== 'cpu' || timings.runUs === undefined || openMs > mostOpenMs) return false
  return timings.runUs >= (threads === 1 ? parallelRunUs : parallelRunUs / cpus)
}

async function openOther(loading: Loading, target: Placement, first: Opened): Promise<Opened> {
  const threads = first.threads === 1 ? usableCpus() : 1
  return { session: await openIn(loading, target, { threads, instances: 1 }), threads }
}

function factsOf(opened: readonly Opened[]): ParallelismFacts {
  const cpus = usableCpus()
  const infoWith = (threads: number): OnnxInfo | undefined => {
    const found = opened.find((one) => one.threads === threads)
    return found === undefined ? undefined : infoOf(found.session)
  }
  const one = infoWith(1)
  const oneThreadUs = one?.timings.runUs
  const allThreadsUs = infoWith(cpus)?.timings.runUs
  return {
    cpus,
    weightBytes: one === undefined ? 0 : weightBytes(one),
    ...(oneThreadUs === undefined ? {} : { oneThreadUs }),
    ...(allThreadsUs === undefined ? {} : { allThreadsUs }),
  }
}

/** In the pool the threads are the parallelism; own threads and processes have all CPUs. */
function uncompared(target: Placement): Parallelism {
  const reason = usableCpus() === 1 ? 'there is one CPU' : 'not compared: a run is short, or opening takes long'
  return { threads: target === 'pool' ? 1 : usableCpus(), instances: 1, reason }
}

/** What the user asked for, or undefined where nothing was said that leaves no choice. */
function givenParallelism({ spec, options, choice }: Loading, placement: Placement): Parallelism | undefined {
  if (placement === 'inline') return { threads: 1, instances: 1, reason: 'it runs on the main thread' }
  const { instances } = spec
  const named = options.intra_op_num_threads
  if (instances === undefined && named === undefined && choice.device === 'cpu') return undefined
  const shared = placement === 'pool' ? 1 : Math.max(1, Math.floor(usableCpus() / (instances ?? 1)))
  const reason = instances === undefined && named === undefined ? `it runs on ${choice.device}` : 'asked for'
  return { threads: named ?? shared, instances: instances ?? 1, reason }
}

async function openAs(
  loading: Loading,
  target: Placement,
  parallelism: Parallelism,
  reason: string,
): Promise<Measured> {
  return measured(placed(await openIn(loading, target, parallelism), reason), parallelism)
}

async function measured(model: Placed, parallelism: Parallelism): Promise<Measured> {
  const info = infoOf(model.session)
  return { ...model, info, parallelism, hopUs: await measureHop(model.session, info) }
}

function openIn(
  { spec, file, bytes, options, choice, log, signal }: Loading,
  placement: Placement,
  { threads, instances }: Pick<Parallelism, 'threads' | 'instances'>,
  timings?: Timings,
): Promise<PlacedSession> {
  const native = nativeOptions(options, choice, threads)
  const opening: OnnxSessionOptions = {
    file,
    native,
    ...(bytes === undefined ? {} : { bytes }),
    ...(timings === undefined ? {} : { timings }),
  }
  const { runTimeoutMs } = spec
  const limits = runTimeoutMs === undefined ? {} : { runTimeoutMs }
  return place(sessionModule, opening, placement, { instances, name: spec.ref.name, log, signal, ...limits })
}

/** The files that hold them: what onnxruntime allocates beyond is not told, and the memory of a shared process tells nothing. */
export function weightBytes({ file }: OnnxInfo): number {
  return file.externalFiles.reduce((sum, external) => sum + external.bytes, file.fileBytes)
}

function infoOf(session: PlacedSession): OnnxInfo {
  return session.info as OnnxInfo // what session.ts gives, cloned
}

async function sizeOf({ file, bytes }: Loading): Promise<number> {
  if (bytes !== undefined) return bytes.byteLength
  return (await stat(file).catch(() => undefined))?.size ?? 0 // the session says what is wrong with it
}

/** @param sessions closed where `work` fails; more may be added meanwhile */
async function closingOnFailure<T>(sessions: readonly PlacedSession[], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (reason) {
    await Promise.allSettled(sessions.map((session) => session.close()))
    throw reason
  }
}
