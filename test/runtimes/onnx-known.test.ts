/** Models that come back: opened as before, without being measured again. */
import { copyFile, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import onnx from '../../runtimes/onnx/index.ts'
import { forget, keyOf, recall, remember } from '../../runtimes/onnx/known-models.ts'
import { opensLater } from '../../runtimes/onnx/opens-later.ts'
import { fileFacts, silentLog, tensor } from '../../src/runtime/index.ts'
import type { Model, PlacedSession } from '../../src/runtime/index.ts'
import { samples } from '../paths.ts'
import { fakeSpec } from '../repository/fake-models.ts'

const { signal } = new AbortController()

async function irisFile(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'servable-known-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'model.onnx')
  await copyFile(join(samples, 'iris', '1', 'model.onnx'), file)
  return file
}

async function loaded(file: string): Promise<Model> {
  const model = await onnx.load(fakeSpec({ file, format: 'onnx' }), silentLog, signal)
  onTestFinished(() => model.close())
  return model
}

const rows = (count: number) => {
  const data = new Float32Array(count * 4).map((_, index) => (index % 7) + 0.5)
  return { inputs: [tensor('X', 'FP32', [count, 4], data)] }
}

/** What measurements made of it. */
function measured({ metadata, inlineBytes, concurrency }: Model) {
  const { placement, placement_reason, hop_us, run_us } = metadata.parameters ?? {}
  return { placement, placement_reason, hop_us, run_us, inlineBytes, concurrency }
}

describe('a model that is loaded again', () => {
  it('is opened as before and computes the same, small and large requests', async () => {
    const file = await irisFile()
    const first = await loaded(file)
    const again = await loaded(file)
    expect(measured(again)).toEqual(measured(first))
    const large = Math.ceil((first.inlineBytes ?? 0) / 16) + 100
    for (const count of [1, large]) {
      const [before, after] = await Promise.all([first, again].map((model) => model.predict(rows(count), signal)))
      expect(after).toEqual(before)
    }
  })
  it('is known by its file and settings', () => {
    const model = {
      placement: 'pool',
      reason: 'a reason',
      inlineMaxBytes: 0,
      parallelism: { threads: 1, instances: 1, reason: '' },
      timings: {},
      hopUs: 0,
    } as const
    remember('a file', model)
    expect([recall('a file'), recall('another')]).toEqual([model, undefined])
    forget('a file')
    expect(recall('a file')).toBeUndefined()
  })
  it('is another one where its file, its settings or what is beside it are others', async () => {
    const [file, copy] = [await irisFile(), await irisFile()]
    const keyOfFile = async (path: string, settings: unknown): Promise<string> =>
      keyOf((await fileFacts(path))?.print ?? 'none', settings)
    const key = await keyOfFile(file, { threads: 1 })
    expect(await keyOfFile(copy, { threads: 1 })).toBe(key)
    expect(await keyOfFile(copy, { threads: 2 })).not.toBe(key)
    await writeFile(`${copy}.data`, 'weights')
    const beside = await keyOfFile(copy, { threads: 1 })
    expect(beside).not.toBe(key)
    await utimes(copy, 1, 1)
    expect(await keyOfFile(copy, { threads: 1 })).not.toBe(beside)
    await writeFile(file, 'another model')
    expect(await keyOfFile(file, { threads: 1 })).not.toBe(key)
    expect(await fileFacts(`${file}.gone`)).toBeUndefined()
  })
})

describe('a session that is opened by its first run', () => {
  const session = (log: string[]): PlacedSession => ({
    placement: 'pool',
    instances: 1,
    info: undefined,
    run: () => Promise.resolve([]),
    close: () => Promise.resolve(void log.push('closed')),
  })
  it('is opened once, and closed where it was opened', async () => {
    const log: string[] = []
    const later = opensLater('pool', () => {
      log.push('opened')
      return Promise.resolve(session(log))
    })
    await Promise.all([later.run({ inputs: [] }, signal), later.run({ inputs: [] }, signal)])
    await later.close()
    expect(log).toEqual(['opened', 'closed'])
    await opensLater('pool', () => Promise.reject(new Error('never'))).close()
  })
  it('is tried again after a failure', async () => {
    let tries = 0
    const later = opensLater('pool', () => {
      tries += 1
      return tries === 1 ? Promise.reject(new Error('no thread')) : Promise.resolve(session([]))
    })
    await expect(later.run({ inputs: [] }, signal)).rejects.toThrow('no thread')
    expect(await later.run({ inputs: [] }, signal)).toEqual([])
  })
})
