/** A small repository of models that do what tests need, and the app over it. */
import type { FastifyInstance } from 'fastify'
import { InferenceError } from '../../src/core/errors.ts'
import type { ModelRef } from '../../src/core/inference.ts'
import { silentLog } from '../../src/core/log.ts'
import type { Batch, Model, TensorMetadata } from '../../src/core/model.ts'
import { dataTypes, tensor } from '../../src/core/tensor.ts'
import type { DataType, Tensor } from '../../src/core/tensor.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import type { ModelHandle, Repository } from '../../src/repository/repository.ts'
import type { ModelStatus, ServedMetadata } from '../../src/repository/status.ts'
import { createRestApp } from '../../src/rest/app.ts'
import type { RestOptions } from '../../src/rest/options.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

type Predict = (batch: Batch, signal: AbortSignal) => readonly Tensor[] | Promise<readonly Tensor[]>

interface TestModel {
  readonly name: string
  readonly versions: readonly string[]
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  readonly predict: Predict
  readonly isReady: boolean
  readonly maxBatchSize?: number
}

export function model(
  name: string,
  inputs: readonly TensorMetadata[],
  outputs: readonly TensorMetadata[],
  predict: Predict,
  rest: Partial<TestModel> = {},
): TestModel {
  return { name, versions: ['1'], inputs, outputs, predict, isReady: true, ...rest }
}

const int32 = (name: string): TensorMetadata => ({ name, datatype: 'INT32', shape: [-1, 16] })

function addAndSubtract({ inputs, outputs: wanted }: Batch): readonly Tensor[] {
  const [left, right] = ['INPUT0', 'INPUT1'].map((name) => inputs.find((input) => input.name === name))
  if (left?.datatype !== 'INT32' || right?.datatype !== 'INT32') throw new Error('the data plane has checked')
  const { shape } = left
  const outputs = [
    tensor(
      'OUTPUT0',
      'INT32',
      shape,
      left.data.map((value, index) => value + (right.data[index] ?? 0)),
    ),
    tensor(
      'OUTPUT1',
      'INT32',
      shape,
      left.data.map((value, index) => value - (right.data[index] ?? 0)),
    ),
  ]
  return wanted === undefined ? outputs : outputs.filter((output) => wanted.includes(output.name))
}

function identity(name: string, datatype: DataType, shape: readonly number[] = [-1]): TestModel {
  const predict: Predict = ({ inputs }) => inputs.map((input) => ({ ...input, name: 'OUT' }))
  return model(name, [{ name: 'IN', datatype, shape }], [{ name: 'OUT', datatype, shape }], predict)
}

/** `y = x / 2 + 2`, whatever the shape. */
const halfPlusTwo: Predict = ({ inputs: [x] }) => {
  if (x?.datatype !== 'FP32') throw new Error('the data plane has checked')
  return [
    tensor(
      'y',
      'FP32',
      x.shape,
      x.data.map((value) => value / 2 + 2),
    ),
  ]
}

const anyFloats = (name: string): TensorMetadata => ({ name, datatype: 'FP32', shape: [-1], isAnyRank: true })
const throwing: Predict = () => {
  throw new RangeError('the secret of the model')
}

/** What waits in the model 'slow': its signal, and how to let it go on. */
export interface Waiting {
  readonly signal: AbortSignal
  readonly finish: () => void
}

export function testModels(onSlow: (waiting: Waiting) => void = () => undefined): readonly TestModel[] {
  const x = [anyFloats('x')]
  const y = [anyFloats('y')]
  const slow: Predict = (batch, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(InferenceError.from(signal.reason)))
      onSlow({ signal, finish: () => resolve(halfPlusTwo(batch, signal)) })
    })
  const full: Predict = () => {
    throw new InferenceError('resource_exhausted', 'Exceeds maximum queue size', { retryAfterMs: 2500 })
  }
  return [
    model('simple', [int32('INPUT0'), int32('INPUT1')], [int32('OUTPUT0'), int32('OUTPUT1')], addAndSubtract, {
      maxBatchSize: 8,
    }),
    ...dataTypes.map((datatype) => identity(`identity_${datatype.toLowerCase()}`, datatype)),
    identity('identity_matrix', 'FP32', [-1, -1]),
    model('half_plus_two', x, y, halfPlusTwo, { versions: ['122', '123'] }),
    model('slow', x, y, slow),
    model('broken', x, y, throwing),
    model('full', x, y, full),
    model('loading', x, y, halfPlusTwo, { isReady: false }),
    model('a/b', x, y, halfPlusTwo),
    model('two words', x, y, halfPlusTwo),
    model('team:model', x, y, halfPlusTwo),
    model('größe', x, y, halfPlusTwo),
  ]
}

/** Holds models in memory, with the texts of the real repository. */
export class TestRepository implements Repository {
  readonly #models: ReadonlyMap<string, TestModel>

  constructor(models: readonly TestModel[]) {
    this.#models = new Map(models.map((entry) => [entry.name, entry]))
  }

  get isReady(): boolean {
    return [...this.#models.values()].every((entry) => entry.isReady)
  }

  async use<T>(ref: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T> {
    const served = this.metadata(ref)
    const entry = this.#find(ref)
    const loaded: Model = {
      metadata: served,
      memoryBytes: 0,
      maxBatchSize: entry.maxBatchSize ?? 0,
      concurrency: 1,
      predict: async (batch, signal) => entry.predict(batch, signal),
      close: () => Promise.resolve(),
    }
    const model = schedule(loaded, { name: ref.name, maxQueueSize: 100 })
    return work({ ref: served.ref, served, model, hooks: [] })
  }

  peek(ref: ModelRef): ServedMetadata | undefined {
    return this.metadata(ref)
  }

  check(ref: ModelRef): void {
    this.metadata(ref)
  }

  wake(): undefined {
    return undefined
  }

  metadata(ref: ModelRef): ServedMetadata {
    const { metadata } = this.status(ref)
    if (metadata === undefined) {
      throw new InferenceError('unavailable', `Model with name ${ref.name} is not ready.`)
    }
    return metadata
  }

  status(ref: ModelRef): ModelStatus {
    const entry = this.#find(ref)
    return statusOf(entry, ref.version ?? entry.versions.at(-1) ?? '1')
  }

  list(): readonly ModelStatus[] {
    return [...this.#models.values()].flatMap((entry) => entry.versions.map((version) => statusOf(entry, version)))
  }

  #find({ name, version }: ModelRef): TestModel {
    const entry = this.#models.get(name)
    if (entry === undefined) throw new InferenceError('not_found', `Model with name ${name} does not exist.`)
    if (version !== undefined && !entry.versions.includes(version)) {
      const message = `Request for unknown model: '${name}' version ${version} is not found`
      throw new InferenceError('not_found', message)
    }
    return entry
  }

  load(): Promise<ModelStatus> {
    throw new Error('not for tests')
  }
  unload(): Promise<void> {
    throw new Error('not for tests')
  }
  onChange(): () => void {
    return () => undefined
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
}

function statusOf(entry: TestModel, version: string): ModelStatus {
  const ref = { name: entry.name, version }
  const base = { ref, runtime: 'test', memoryBytes: 1000, loadMs: 5 }
  if (!entry.isReady) return { ...base, state: 'loading', reason: 'still loading' }
  const parameters = { device: 'cpu', device_reason: 'no driver', placement: 'inline' }
  const { inputs, outputs, versions, maxBatchSize = 0 } = entry
  const described = { platform: 'onnxruntime_onnx', inputs, outputs, hasExplainer: false, maxBatchSize, parameters }
  const metadata = { ...described, ref, versions }
  return { ...base, state: 'ready', metadata }
}

/** The app over the test models. */
export function createTestApp(
  options: Partial<RestOptions> & {
    readonly onSlow?: (waiting: Waiting) => void
    /** Models beside the test models. */
    readonly models?: readonly TestModel[]
  } = {},
): FastifyInstance {
  const repository = new TestRepository([...testModels(options.onSlow), ...(options.models ?? [])])
  const metrics = new Metrics({ version: '0.0.1', models: () => repository.list() })
  const dataPlane = new DataPlane(repository, [metrics])
  return createRestApp({ dataPlane, metrics, log: silentLog, version: '0.0.1', ...options })
}
