/** Where a model runs best, from what its first runs cost. Pure. */
import type { Device, Placement } from '../../src/runtime/index.ts'
import type { OnnxInfo } from './session.ts'
import { manyRows } from './warm-up.ts'

export interface PlacementChoice {
  readonly placement: Placement
  readonly reason: string
  /** Inline only: requests with more bytes of input go to the pool. */
  readonly inlineMaxBytes: number
}

/** A hop to a thread and back costs the main thread about 10 µs under load and its caller 30 to 100 µs. */
const inlineRunUs = 50
/** Larger files hold enough work or memory to stay off the main thread. */
const inlineFileBytes = 1_000_000
/** The file is opened once more on the main thread, which stands still meanwhile. A busy machine takes 40 ms for any. */
const inlineOpenMs = 50
/** A request may keep the main thread this long; predicted from its size. */
const inlineRequestUs = 200
/** No measured slope is trusted beyond this. */
const inlineMostBytes = 65_536
/** With free dimensions besides the first, cost may grow faster than size. */
const inlineMostBytesFree = 4096

/** From here a model has threads of its own: others in the pool would wait for it. */
export const threadRunUs = 10_000
/** A file this large goes to its own thread unmeasured, lest it be read twice. */
export const threadFileBytes = 64_000_000

/** Operators that repeat as often as the inputs say: others in the pool might wait for ever. */
const loops = ['Loop', 'Scan'] as const

/** Operators whose cost or output size depends on the values of the inputs: no warm-up can tell it. */
const dataDependent: ReadonlySet<string> = new Set([
  'If',
  'Expand',
  'Tile',
  'Range',
  'ConstantOfShape',
  'Resize',
  'Upsample',
  'NonZero',
  'NonMaxSuppression',
  'OneHot',
  'Pad',
  'Unique',
  'StringSplit',
  'RegexFullMatch',
  'TfIdfVectorizer',
  'RandomNormal',
  'RandomUniform',
  'SequenceMap',
  'SequenceConstruct',
  'SequenceInsert',
  'SplitToSequence',
  'ConcatFromSequence',
])

/** `auto`: inline for what is cheaper than the hop, own threads for long runs, the pool for everything between. */
export function choosePlacement(info: OnnxInfo, device: Device): PlacementChoice {
  const { runUs } = info.timings
  const endless = loops.find((operator) => info.file.operators[operator] !== undefined)
  if (endless !== undefined) {
    return { placement: 'thread', reason: `operator ${endless} may run for any time`, inlineMaxBytes: 0 }
  }
  if (runUs === undefined) return pool(`not measured: ${info.timings.failure ?? 'no made-up input fits'}`)
  const run = describe(runUs)
  if (runUs >= threadRunUs) {
    return { placement: 'thread', reason: `a run takes ${run}, 10 ms or more`, inlineMaxBytes: 0 }
  }
  const obstacle = inlineObstacle(info, runUs, device)
  if (obstacle !== undefined) return pool(obstacle)
  const inlineMaxBytes = sizeLimit(info, runUs)
  const reason = `a run takes ${run}, less than the way to a thread; requests above ${inlineMaxBytes} bytes run in the pool`
  return { placement: 'inline', reason, inlineMaxBytes }
}

/** A thread may be idle for this share of its time, for lack of a call that is there already. */
const idleShare = 0.02

/** Time of one call to a thread over time of a run: how many calls are under way to keep the thread busy. */
export function concurrencyOf(runUs: number | undefined, hopUs: number, instances: number): number {
  const ahead = runUs === undefined ? 1 : 1 + Math.max(0, Math.ceil(hopUs / Math.max(runUs, 1) - idleShare))
  return instances * Math.min(16, ahead) // beyond 16, messages are batched as well as they can be
}

/** The main thread turns to sockets again after so much of one model's runs. */
const inlineTurnUs = 2000

/** Runs of one turn of the event loop on the main thread: they start together, one after the other. */
export function inlineConcurrencyOf(runUs: number | undefined): number {
  return runUs === undefined ? 1 : Math.max(1, Math.min(32, Math.floor(inlineTurnUs / runUs)))
}

function inlineObstacle({ file, openMs }: OnnxInfo, runUs: number, device: Device): string | undefined {
  if (device !== 'cpu') return `it runs on ${device}`
  if (runUs >= inlineRunUs) return `a run takes ${describe(runUs)}, more than the way to a thread`
  const operator = Object.keys(file.operators).find((name) => dataDependent.has(name))
  if (operator !== undefined) return `the cost of operator ${operator} depends on the values of the inputs`
  const bytes = file.externalFiles.reduce((sum, external) => sum + external.bytes, file.fileBytes)
  if (bytes >= inlineFileBytes) return `its ${bytes} bytes are too many to load on the main thread`
  if (openMs >= inlineOpenMs) return `it took ${openMs.toFixed(0)} ms to open, too long for the main thread`
  return undefined
}

/** Input bytes of a request that runs in {@link inlineRequestUs}, from the cost of one row and of many. */
function sizeLimit({ timings, signature }: OnnxInfo, runUs: number): number {
  const { manyRowsUs = runUs, rowBytes = 0 } = timings
  const hasFreeDimensions = signature.inputs.some(
    (input) => input.isAnyRank === true || input.shape.some((size, axis) => axis > 0 && size === -1),
  )
  const most = hasFreeDimensions ? inlineMostBytesFree : inlineMostBytes
  const usPerByte = Math.max(0, manyRowsUs - runUs) / ((manyRows - 1) * Math.max(rowBytes, 1))
  const affordable = usPerByte === 0 ? most : (inlineRequestUs - runUs) / usPerByte
  return Math.floor(Math.max(rowBytes, Math.min(most, rowBytes + affordable)))
}

function pool(reason: string): PlacementChoice {
  return { placement: 'pool', reason, inlineMaxBytes: 0 }
}

function describe(us: number): string {
  return us < 1000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(1)} ms`
}
