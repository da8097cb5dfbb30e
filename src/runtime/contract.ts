/** The door `servable/runtime/contract`: what every runtime promises, as tests that any test runner can run. */
import { setMaxListeners } from 'node:events'
import { deepStrictEqual, fail, match, ok, rejects, strictEqual } from 'node:assert/strict'
import type { Batch, Model, ModelSpec, Runtime, TensorMetadata } from '../core/model.ts'
import { silentLog } from '../core/log.ts'
import { elementCount, isDataType, type Tensor } from '../core/tensor.ts'

/** Inputs, and outputs that something else than the runtime computed. */
export interface ContractCase {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Outputs to ask for; all where absent. */
  readonly fetch?: readonly string[]
  /** An element may differ by `atol + rtol · |expected|`; 0 where absent. */
  readonly rtol?: number
  readonly atol?: number
}

/** A runtime, and one of its models whose first free dimension is the batch. */
export interface ContractSubject {
  readonly runtime: Runtime
  readonly spec: ModelSpec
  /** At least one. */
  readonly cases: () => Promise<readonly ContractCase[]> | readonly ContractCase[]
  /** Computes elsewhere: it holds no memory here. */
  readonly isRemote?: boolean
}

export interface ContractTest {
  readonly name: string
  /** @throws AssertionError that says what does not hold */
  readonly run: () => Promise<void>
}

/** `describe` and `it` of node:test, vitest, jest or mocha. */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: (name: string, body: () => Promise<void>) => unknown
}

/**
 * Registers the suite with a test runner.
 *
 * @example
 * import { describe, it } from 'node:test'
 * describeContract({ describe, it }, 'my runtime', { runtime, spec, cases: () => [...] })
 */
export function describeContract({ describe, it }: TestRunner, title: string, subject: ContractSubject): void {
  describe(`${title} keeps the contract`, () => {
    for (const { name, run } of contractTests(subject)) it(name, run)
  })
}

const { signal: never } = new AbortController()
setMaxListeners(0, never) // handed to any number of calls at once

/** The suite, for runners of another kind. Each test loads the model and closes it. */
export function contractTests(subject: ContractSubject): readonly ContractTest[] {
  const { runtime, spec } = subject
  const tested = (name: string, check: (model: Model, cases: readonly ContractCase[]) => Promise<void> | void) => ({
    name,
    run: async () => {
      const cases = await subject.cases()
      ok(cases.length > 0, 'the subject has no cases')
      const model = await runtime.load(spec, silentLog, never)
      try {
        await check(model, cases)
      } finally {
        await model.close()
      }
    },
  })
  return [
    { name: 'serves the format of the model', run: () => Promise.resolve(checkRuntime(subject)) },
    tested('describes itself sanely', (model) => checkDescription(model, subject)),
    { name: 'estimates its memory before it loads', run: () => checkEstimate(subject) },
    tested('predicts its goldens, one after another and together', checkGoldens),
    tested('gives the outputs that are wanted and no others', checkWanted),
    tested('agrees with its signature', checkSignature),
    tested('leaves its inputs alone', checkInputs),
    tested('refuses what was cancelled before it began, loads included', async (model, cases) => {
      for (const given of cases.slice(0, 1)) {
        await rejects(model.predict(batchOf(given), AbortSignal.abort()), cancelled)
        await rejects(runtime.load(spec, silentLog, AbortSignal.abort()), cancelled)
      }
    }),
    tested('loads again after it was closed', async (model, cases) => {
      const second = await runtime.load(spec, silentLog, never)
      await second.close()
      for (const given of cases.slice(0, 1)) expectClose(await model.predict(batchOf(given), never), given)
    }),
  ]
}

const cancelled = { name: 'InferenceError', code: 'cancelled' }

function checkRuntime({ runtime, spec }: ContractSubject): void {
  strictEqual(runtime.api, 1, 'api')
  match(runtime.name, /^[a-z][a-z0-9-]*$/, 'name')
  ok(runtime.formats.includes(spec.format), `formats has no '${spec.format}'`)
}

async function checkEstimate({ runtime, spec, isRemote }: ContractSubject): Promise<void> {
  const bytes = await runtime.estimateBytes?.(spec)
  ok(bytes === undefined || bytes > 0 || (isRemote === true && bytes === 0), `estimateBytes gave ${bytes}`)
}

function checkDescription(model: Model, { spec, isRemote }: ContractSubject): void {
  const { metadata, memoryBytes, maxBatchSize, concurrency } = model
  match(metadata.platform, /^[a-z0-9]+_[a-z0-9_]+$/, 'metadata.platform')
  ok(metadata.outputs.length > 0, 'metadata.outputs is empty')
  for (const described of [...metadata.inputs, ...metadata.outputs]) checkTensor(described)
  if (isRemote === true) strictEqual(metadata.parameters?.['device'], 'remote', 'metadata.parameters.device')
  for (const name of ['device', 'placement']) {
    strictEqual(typeof metadata.parameters?.[name], 'string', `metadata.parameters.${name}`)
  }
  ok(isRemote === true ? memoryBytes === 0 : memoryBytes > 0, `memoryBytes is ${memoryBytes}`)
  strictEqual(maxBatchSize, spec.maxBatchSize ?? 0, 'maxBatchSize')
  ok(concurrency >= 1, `concurrency is ${concurrency}`)
}

function checkTensor({ name, datatype, shape, dimensionNames, isAnyRank }: TensorMetadata): void {
  ok(name !== '', 'a tensor without a name')
  ok(isDataType(datatype), `'${name}': datatype ${String(datatype)}`)
  ok(
    shape.every((size) => Number.isInteger(size) && size >= -1),
    `'${name}': shape [${shape.join(',')}]`,
  )
  if (dimensionNames !== undefined) strictEqual(dimensionNames.length, shape.length, `'${name}': dimensionNames`)
  if (isAnyRank === true) deepStrictEqual(shape, [-1], `'${name}': shape of any rank`)
}

async function checkGoldens(model: Model, cases: readonly ContractCase[]): Promise<void> {
  for (const given of cases) expectClose(await model.predict(batchOf(given), never), given)
  const many = Array.from({ length: 50 }, (_, index) => cases.slice(index % cases.length, (index % cases.length) + 1))
  await Promise.all(many.flat().map(async (given) => expectClose(await model.predict(batchOf(given), never), given)))
}

async function checkWanted(model: Model, [given]: readonly ContractCase[]): Promise<void> {
  if (given === undefined) return
  for (const { name } of model.metadata.outputs) {
    const outputs = await model.predict({ inputs: given.inputs, outputs: [name] }, never)
    deepStrictEqual(
      outputs.map((output) => output.name),
      [name],
    )
  }
}

async function checkSignature(model: Model, [given]: readonly ContractCase[]): Promise<void> {
  if (given === undefined) return
  for (const output of await model.predict(batchOf(given), never)) {
    const described = model.metadata.outputs.find(({ name }) => name === output.name)
    if (described === undefined) fail(`output '${output.name}' is not in the metadata`)
    strictEqual(output.datatype, described.datatype, `datatype of '${output.name}'`)
    strictEqual(output.data.length, elementCount(output.shape), `elements of '${output.name}'`)
    if (described.isAnyRank !== true) {
      strictEqual(output.shape.length, described.shape.length, `rank of '${output.name}'`)
    }
  }
}

async function checkInputs(model: Model, cases: readonly ContractCase[]): Promise<void> {
  for (const given of cases) {
    const before = given.inputs.map((input) => [...input.data])
    await model.predict(batchOf(given), never)
    deepStrictEqual(
      given.inputs.map((input) => [...input.data]),
      before,
      'predict changed its inputs',
    )
  }
}

function batchOf({ inputs, fetch }: ContractCase): Batch {
  return { inputs, ...(fetch === undefined ? {} : { outputs: fetch }) }
}

function expectClose(actual: readonly Tensor[], { outputs, rtol = 0, atol = 0 }: ContractCase): void {
  for (const expected of outputs) {
    const output = actual.find(({ name }) => name === expected.name)
    if (output === undefined) fail(`output '${expected.name}' is missing`)
    deepStrictEqual([output.datatype, output.shape], [expected.datatype, expected.shape], `output '${expected.name}'`)
    const values: readonly unknown[] = [...output.data]
    for (const [index, wanted] of [...expected.data].entries()) {
      if (!isClose(values[index], wanted, rtol, atol)) {
        fail(`output '${expected.name}'[${index}]: ${String(values[index])} instead of ${String(wanted)}`)
      }
    }
  }
}

/** Exact but for floating point; the bits of FP16 are compared as they are. */
function isClose(value: unknown, wanted: unknown, rtol: number, atol: number): boolean {
  if (typeof wanted === 'number' && typeof value === 'number') {
    return Object.is(value, wanted) || value === wanted || Math.abs(value - wanted) <= atol + rtol * Math.abs(wanted)
  }
  if (wanted instanceof Uint8Array && value instanceof Uint8Array) return Buffer.compare(wanted, value) === 0
  return value === wanted
}
