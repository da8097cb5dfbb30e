/** Models are warmed up and judged before they are ready, and the queue in front of them does what was found out. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog, type LogFields } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { createServer, defineModel, type Server, type ServerOptions } from '../../src/index.ts'
import type { ModelStatus } from '../../src/repository/status.ts'
import { fixtures, shared, withoutShared } from '../paths.ts'

interface Started {
  readonly server: Server
  readonly statuses: readonly ModelStatus[]
  /** Per model what its preparation wrote to the log. */
  readonly prepared: Map<string, LogFields>
}

async function started(options: ServerOptions): Promise<Started> {
  const prepared = new Map<string, LogFields>()
  const log = {
    ...silentLog,
    info: (fields: LogFields, message: string) => {
      if (message === 'prepared') prepared.set(String(fields['model']), fields)
    },
  }
  const server = await createServer({ ...options, log, httpPort: 0, enableGrpc: false })
  onTestFinished(() => server.close())
  return { server, prepared, statuses: await server.load() }
}

/** A directory with one model, and its model.yaml where there is one. */
async function directoryOf(source: string, yaml?: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'servable-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await mkdir(join(directory, 'm'))
  await copyFile(source, join(directory, 'm', 'model.onnx'))
  if (yaml !== undefined) await writeFile(join(directory, 'm', 'model.yaml'), yaml)
  return directory
}

const iris = join(fixtures, 'models', 'iris-logreg', 'model.onnx')

describe('a model at load', () => {
  it('is found to batch, and says why', async () => {
    const { prepared } = await started({ models: await directoryOf(iris) })
    expect(prepared.get('m')).toMatchObject({ isBatchable: true, reason: 'rows give the same together as alone' })
  })

  it('does not batch where the operator says so, for it or for all', async () => {
    const off = { isBatchable: false, reason: 'batching is off in the settings of the model' }
    const own = await started({ models: await directoryOf(iris, 'scheduling: {batching: off}') })
    expect(own.prepared.get('m')).toMatchObject(off)
    const all = await started({ models: await directoryOf(iris), batching: 'off' })
    expect(all.prepared.get('m')).toMatchObject(off)
  })

  it('is not ready where a given warm-up request fails', async () => {
    const yaml = 'warmup:\n  - inputs: [{name: X, shape: [1, 3], random: true}]'
    const { statuses } = await started({ models: await directoryOf(iris, yaml) })
    const [status] = statuses
    expect(status).toMatchObject({ state: 'failed' })
    expect(status?.reason).toMatch(/^warmup: model\.yaml, warmup 1: unexpected shape for input 'X'/)
  })

  it('is ready after the warm-up requests that it was given', async () => {
    const yaml = 'warmup:\n  - {inputs: [{name: X, shape: [5, 4], random: true}], count: 3}'
    const { statuses } = await started({ models: await directoryOf(iris, yaml) })
    expect(statuses).toMatchObject([{ state: 'ready' }])
  })
})

describe.skipIf(shared === undefined)(`models that made-up rows expose (${withoutShared})`, () => {
  const synthetic = (name: string): string => join(shared ?? '', 'models', 'own', 'synthetic', name, 'model.onnx')

  it.each<[string, boolean, RegExp]>([
    ['add-sub', true, /^rows give the same/],
    ['identity-all-dtypes', true, /^rows give the same/],
    ['string-upper', true, /^rows give the same/],
    ['batch-mean-sensitive', false, /^output 'OUTPUT0' of a row is another one/],
    ['batch-echo', false, /^output 'BATCH' of a row is another one/],
    ['fixed-batch4', false, /^the first dimension of input 'INPUT0' is not free/],
    ['identity-anyrank', false, /^input 'INPUT0' has no known shape/],
    ['fail-reshape', false, /^the first dimension of output 'OUTPUT0' is not free/],
    ['crash-int-div', false, /./],
    ['no-inputs', false, /^the model has no inputs/],
  ])('%s batches: %s', async (name, isBatchable, reason) => {
    const { prepared } = await started({ models: await directoryOf(synthetic(name)) })
    expect(prepared.get('m')).toMatchObject({ isBatchable, reason: expect.stringMatching(reason) as string })
  })
})

describe('a model defined in the program', () => {
  const doubled = (isBatching: boolean, seen: number[]) =>
    defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1] } },
      outputs: { y: { datatype: 'FP32', shape: [-1] } },
      batching: isBatching,
      predict: ({ x }) => {
        seen.push(x.data.length)
        return { y: x.data.map((value) => value * 2) }
      },
    })

  async function answers(isBatching: boolean): Promise<readonly number[]> {
    const seen: number[] = []
    const { server } = await started({ models: { m: doubled(isBatching, seen) } })
    expect(seen).toEqual([])
    const inputs = (value: number) => [tensor('x', 'FP32', [1], Float32Array.of(value))]
    const responses = await Promise.all(
      [1, 2, 3, 4].map((value) => server.infer({ model: { name: 'm' }, inputs: inputs(value) })),
    )
    expect(responses.map(({ outputs }) => outputs[0]?.data[0])).toEqual([2, 4, 6, 8])
    return seen
  }

  it('runs with nothing that no caller sent, and one request at a time', async () => {
    expect(await answers(false)).toEqual([1, 1, 1, 1])
  })

  it('shares runs where its programmer says that rows do not see each other', async () => {
    const seen = await answers(true)
    expect(seen.reduce((sum, rows) => sum + rows, 0)).toBe(4)
    expect(seen.length).toBeLessThan(4)
  })
})
