/** What every runtime promises, as one suite: call it with a model whose first free dimension is the batch. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { elementCount, isDataType, silentLog } from '../../src/runtime/index.ts'
import type { Batch, Model, ModelSpec, Runtime, TensorMetadata } from '../../src/runtime/index.ts'
import type { GoldenCase } from './golden.ts'
import { expectClose } from './golden.ts'

export interface ContractSubject {
  readonly runtime: Runtime
  readonly spec: ModelSpec
  readonly goldens: () => Promise<readonly GoldenCase[]>
  /** Computes elsewhere: it holds no memory here. */
  readonly isRemote?: boolean
}

const { signal: never } = new AbortController()

/** Registers the suite. */
export function describeContract(title: string, subject: ContractSubject): void {
  const { runtime, spec } = subject
  const load = async (): Promise<Model> => {
    const model = await runtime.load(spec, silentLog, never)
    onTestFinished(() => model.close())
    return model
  }
  const cases = async (): Promise<readonly GoldenCase[]> =>
    (await subject.goldens()).filter((golden) => golden.error === undefined && golden.crash === undefined)

  describe(`${title} keeps the contract`, () => {
    it('serves the format of the model', () => {
      expect(runtime.api).toBe(1)
      expect(runtime.name).toMatch(/^[a-z][a-z0-9-]*$/)
      expect(runtime.formats).toContain(spec.format)
    })

    it('describes itself sanely', async () => {
      const { metadata, memoryBytes, maxBatchSize, concurrency } = await load()
      expect(metadata.platform).toMatch(/^[a-z0-9]+_[a-z0-9_]+$/)
      expect(metadata.outputs.length).toBeGreaterThan(0)
      for (const tensor of [...metadata.inputs, ...metadata.outputs]) expectSane(tensor)
      const device = subject.isRemote === true ? 'remote' : 'cpu'
      expect(metadata.parameters).toMatchObject({ device, placement: expect.any(String) as string })
      if (subject.isRemote === true) expect(memoryBytes).toBe(0)
      else expect(memoryBytes).toBeGreaterThan(0)
      expect(maxBatchSize).toBe(spec.maxBatchSize ?? 0)
      expect(concurrency).toBeGreaterThanOrEqual(1)
    })

    it('estimates its memory before it loads', async () => {
      const least = subject.isRemote === true ? 0 : 1
      expect((await runtime.estimateBytes?.(spec)) ?? 1).toBeGreaterThanOrEqual(least)
    })

    it('predicts its goldens, one after another and together', async () => {
      const model = await load()
      const goldens = await cases()
      expect(goldens.length).toBeGreaterThan(0)
      for (const golden of goldens) expectClose(await model.predict(batchOf(golden), never), golden)
      const many = Array.from({ length: 50 }, (_, index) => goldens[index % goldens.length])
      await Promise.all(
        many.map(async (golden) => {
          if (golden !== undefined) expectClose(await model.predict(batchOf(golden), never), golden)
        }),
      )
    })

    it('gives the outputs that are wanted and no others', async () => {
      const model = await load()
      const [golden] = await cases()
      if (golden === undefined) return
      for (const { name } of model.metadata.outputs) {
        const outputs = await model.predict({ inputs: golden.inputs, outputs: [name] }, never)
        expect(outputs.map((output) => output.name)).toEqual([name])
      }
    })

    it('agrees with its signature', async () => {
      const model = await load()
      const [golden] = await cases()
      for (const output of golden === undefined ? [] : await model.predict(batchOf(golden), never)) {
        const metadata = model.metadata.outputs.find(({ name }) => name === output.name)
        expect(output.datatype).toBe(metadata?.datatype)
        expect(output.data.length).toBe(elementCount(output.shape))
        if (metadata?.isAnyRank !== true) expect(output.shape.length).toBe(metadata?.shape.length)
      }
    })

    it('leaves its inputs alone', async () => {
      const model = await load()
      for (const golden of await cases()) {
        const before = golden.inputs.map((input) => [...input.data])
        await model.predict(batchOf(golden), never)
        expect(golden.inputs.map((input) => [...input.data])).toEqual(before)
      }
    })

    it('refuses what was cancelled before it began, loads included', async () => {
      const model = await load()
      const [golden] = await cases()
      if (golden === undefined) return
      const error = { name: 'InferenceError', code: 'cancelled' }
      await expect(model.predict(batchOf(golden), AbortSignal.abort())).rejects.toMatchObject(error)
      await expect(runtime.load(spec, silentLog, AbortSignal.abort())).rejects.toMatchObject(error)
    })

    it('loads again after it was closed', async () => {
      const first = await runtime.load(spec, silentLog, never)
      await first.close()
      const model = await load()
      const [golden] = await cases()
      if (golden !== undefined) expectClose(await model.predict(batchOf(golden), never), golden)
    })
  })
}

function batchOf(golden: GoldenCase): Batch {
  return { inputs: golden.inputs, ...(golden.fetch === undefined ? {} : { outputs: golden.fetch }) }
}

function expectSane({ name, datatype, shape, dimensionNames, isAnyRank }: TensorMetadata): void {
  expect(name).not.toBe('')
  expect(isDataType(datatype)).toBe(true)
  expect(shape.every((size) => Number.isInteger(size) && size >= -1)).toBe(true)
  if (dimensionNames !== undefined) expect(dimensionNames.length).toBe(shape.length)
  if (isAnyRank === true) expect(shape).toEqual([-1])
}
