/** What may share a run: requests in which everything that the model can see is alike, but the number of rows. */
import type { Batch } from '../core/model.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { elementBytes } from '../core/tensor.ts'
import { LatencyModel } from './latency-model.ts'
import type { RunSample } from './preparation-result.ts'
import { Returns } from './returns.ts'
import type { Lane } from './waiting-line.ts'

/** Kinds of requests that are told apart; the one that was not seen for longest is forgotten for a new one. */
const mostBuckets = 64
/** Bytes of input that are joined into one run. */
const mostBytes = 64 * 1024 * 1024

/** Requests of one kind, their run times and their places in the queue. */
export class Bucket {
  /** Runs take one request each where it is false. */
  isMergeable: boolean
  readonly latency: LatencyModel
  readonly returns: Returns
  /** Most rows of one run. */
  readonly maxRows: number
  /** By level of the queue. */
  readonly lanes: (Lane | undefined)[] = []
  waitingRows = 0
  /** Runs in a row that failed although each of their requests ran well alone. */
  mergeFaults = 0
  /** Number of the last run that was larger than need be. */
  exploredAtRun = 0
  /** Batch size that was logged last; 0: none. */
  loggedRows = 0
  /** Of input; strings without their bytes. */
  readonly rowBytes: number
  readonly #pattern: Batch

  constructor(pattern: Batch, isMergeable: boolean, maxRows: number, samples: readonly RunSample[]) {
    this.#pattern = patternOf(pattern)
    this.isMergeable = isMergeable
    this.rowBytes = rowBytes(pattern)
    this.maxRows = isMergeable ? Math.max(1, Math.min(maxRows, Math.floor(mostBytes / Math.max(1, this.rowBytes)))) : 1
    this.latency = new LatencyModel(this.maxRows, samples)
    this.returns = new Returns(this.latency)
  }

  /** True for a request that may share a run with the others. */
  fits({ inputs, outputs, parameters }: Batch): boolean {
    const pattern = this.#pattern
    if (inputs.length !== pattern.inputs.length) return false
    for (let index = 0; index < inputs.length; index += 1) {
      const input = inputs[index]
      const expected = pattern.inputs[index]
      if (input === undefined || expected === undefined || !isAlike(input, expected)) return false
    }
    return isSameList(outputs, pattern.outputs) && isSameRecord(parameters, pattern.parameters)
  }
}

/** The kinds of requests that one model was asked. */
export class Buckets {
  /** The one that was asked for last comes first. */
  readonly #buckets: Bucket[] = []
  readonly #maxRows: number
  readonly #samples: readonly RunSample[]

  constructor(maxRows: number, samples: readonly RunSample[]) {
    this.#maxRows = maxRows
    this.#samples = samples
  }

  /** The kind of a request that has rows. */
  of(batch: Batch): Bucket {
    const buckets = this.#buckets
    for (let index = 0; index < buckets.length; index += 1) {
      const bucket = buckets[index]
      if (bucket === undefined || !bucket.fits(batch)) continue
      if (index > 0) {
        buckets.splice(index, 1)
        buckets.unshift(bucket)
      }
      return bucket
    }
    const bucket = new Bucket(batch, true, this.#maxRows, this.#samples)
    if (buckets.unshift(bucket) > mostBuckets) buckets.pop()
    return bucket
  }

  /** The kind that was asked for last. */
  get latest(): Bucket | undefined {
    return this.#buckets[0]
  }
}

/** Rows of a request that may share a run: the first dimension that all inputs have in common; 0 where there is none. */
export function commonRows(inputs: readonly Tensor[]): number {
  const rows = inputs[0]?.shape[0] ?? 0
  for (let index = 1; index < inputs.length; index += 1) if (inputs[index]?.shape[0] !== rows) return 0
  return rows
}

/** Without the elements, which would otherwise be kept for as long as the bucket. */
function patternOf({ inputs, outputs, parameters }: Batch): Batch {
  const patterns = inputs.map((input): Tensor => {
    const empty = { name: input.name, datatype: 'BYTES' as const, shape: input.shape, data: [] }
    const pattern = { ...empty, ...(input.parameters === undefined ? {} : { parameters: input.parameters }) }
    return input.datatype === 'BYTES' ? pattern : ({ ...input, data: input.data.slice(0, 0) } as Tensor) // of its own datatype
  })
  return {
    inputs: patterns,
    ...(outputs === undefined ? {} : { outputs }),
    ...(parameters === undefined ? {} : { parameters }),
  }
}

function rowBytes({ inputs }: Batch): number {
  let bytes = 0
  for (const { datatype, shape } of inputs) {
    let count = datatype === 'BYTES' ? 1 : elementBytes(datatype) // of strings the bytes are not copied
    for (let axis = 1; axis < shape.length; axis += 1) count *= shape[axis] ?? 1
    bytes += count
  }
  return bytes
}

function isAlike(input: Tensor, expected: Tensor): boolean {
  if (input.name !== expected.name || input.datatype !== expected.datatype) return false
  const { shape } = input
  if (shape.length !== expected.shape.length) return false
  for (let axis = 1; axis < shape.length; axis += 1) if (shape[axis] !== expected.shape[axis]) return false
  return isSameRecord(input.parameters, expected.parameters)
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === b) return true
  return a !== undefined && b !== undefined && a.length === b.length && a.every((item, index) => item === b[index])
}

function isSameRecord(a: Parameters | undefined, b: Parameters | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return isEmpty(a) && isEmpty(b)
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
}

function isEmpty(parameters: Parameters | undefined): boolean {
  return parameters === undefined || Object.keys(parameters).length === 0
}
