/** Whether the requests of a model share runs: decided once at load, and taken back where the model behaves otherwise. */
import { hasBatchDimension } from '../core/batch-dimension.ts'
import { silentLog, type Log } from '../core/log.ts'
import type { Batch, Model } from '../core/model.ts'
import { signatureParameter } from '../core/named-signature.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import { Bucket, Buckets, commonRows } from './bucket.ts'
import type { Preparation } from './preparation-result.ts'

/** Rows of one run where the model names no limit. */
export const defaultMaxRows = 128
/** Runs in a row that fail only because their requests share them. */
const mostMergeFaults = 3
/** Time between two lines about the batch size of one model. */
const logIntervalMs = 5000

export interface BatchingPolicy {
  readonly name: string
  readonly options?: SchedulingOptions
  readonly preparation?: Preparation
  readonly maxRows?: number
  readonly log?: Log
}

export class Batching {
  readonly maxRows: number
  isOn: boolean
  reason: string
  /** Everything that takes a run of its own. */
  readonly apart: Bucket
  readonly #buckets: Buckets
  /** What is known before the first request. */
  readonly #foreseen: Bucket
  readonly #hasRows: boolean
  /** The settings say that rows do not see each other, whatever was found out. */
  readonly #isForced: boolean
  readonly #inlineBytes: () => number | undefined
  readonly #model: string
  readonly #log: Log
  #loggedMs = -Infinity

  constructor(model: Model, policy: BatchingPolicy) {
    const { isOn, reason } = decide(policy)
    this.isOn = isOn
    this.reason = reason
    this.maxRows = Math.max(1, policy.maxRows ?? (model.maxBatchSize > 0 ? model.maxBatchSize : defaultMaxRows))
    const samples = policy.preparation?.samples ?? []
    this.#buckets = new Buckets(this.maxRows, samples)
    this.#foreseen = new Bucket({ inputs: [] }, true, this.maxRows, samples)
    this.apart = new Bucket(
      { inputs: [] },
      false,
      1,
      samples.filter(({ rows }) => rows === 1),
    )
    this.#isForced = policy.options?.batching === 'on'
    this.#hasRows = hasBatchDimension(model.metadata)
    this.#inlineBytes = () => model.inlineBytes // asked each time: a model may leave the main thread while it serves
    this.#model = policy.name
    this.#log = policy.log ?? silentLog
  }

  /** The kind of a request: what it may share its run with. What was proved at load was proved of the first signature alone. */
  bucketOf(batch: Batch): Bucket {
    const isProved = batch.parameters?.[signatureParameter] === undefined || this.#isForced
    return this.isOn && isProved && commonRows(batch.inputs) > 0 ? this.#buckets.of(batch) : this.apart
  }

  /** Most rows to join to a request of so many: what runs at once by itself is not sent away for the sake of others. */
  joinedRows({ rowBytes }: Bucket, rows: number): number {
    const inlineBytes = this.#inlineBytes()
    if (inlineBytes === undefined || rows * rowBytes > inlineBytes) return Infinity
    return Math.floor(inlineBytes / Math.max(1, rowBytes))
  }

  /** The kind that speaks for the model. */
  get usual(): Bucket {
    return this.isOn ? (this.#buckets.latest ?? this.#foreseen) : this.apart
  }

  /** Rows of a request for statistics. */
  rowsOf({ inputs }: Batch): number {
    return this.isOn || this.#hasRows ? (inputs[0]?.shape[0] ?? 1) : 1
  }

  /** The model mixes up rows: none of its requests share a run from here on. */
  turnOff(reason: string): void {
    if (!this.isOn) return
    this.isOn = false
    this.reason = reason
    this.#log.warn({ model: this.#model, reason }, 'batching switched off')
  }

  /** A run failed, and of its requests this many failed alone as well. */
  isolated(bucket: Bucket, failed: number): void {
    if (failed > 0) {
      bucket.mergeFaults = 0
      return
    }
    bucket.mergeFaults += 1
    if (bucket.mergeFaults < mostMergeFaults || !bucket.isMergeable) return
    bucket.isMergeable = false
    const reason = 'runs fail although each of their requests runs well alone'
    this.#log.warn({ model: this.#model, reason }, 'batching switched off for one kind of request')
  }

  /** Tells of a batch size that is another than it was. */
  decided(bucket: Bucket, rows: number, nowMs: number): void {
    const before = bucket.loggedRows
    if (before > 0 && rows < before * 2 && rows * 2 > before) return
    const { alphaMs, betaMs, isKnown } = bucket.latency
    if (!isKnown || nowMs - this.#loggedMs < logIntervalMs) return
    this.#loggedMs = nowMs
    bucket.loggedRows = rows
    const fields = { model: this.#model, rows, before, alphaMs: rounded(alphaMs), betaMs: rounded(betaMs) }
    this.#log.info(fields, 'batch size')
  }
}

function decide({ options, preparation, maxRows }: BatchingPolicy): {
  readonly isOn: boolean
  readonly reason: string
} {
  if (maxRows === 1) return { isOn: false, reason: 'max_batch_size is 1' }
  switch (options?.batching ?? 'auto') {
    case 'off':
      return { isOn: false, reason: 'switched off' }
    case 'on':
      return { isOn: true, reason: 'switched on' }
    case 'auto':
      if (preparation === undefined) return { isOn: false, reason: 'not examined at load' }
      return { isOn: preparation.isBatchable, reason: preparation.reason }
  }
}

/** Four digits, for people. */
function rounded(ms: number): number {
  return Number(ms.toPrecision(4))
}
