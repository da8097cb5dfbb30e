/** ONNX models in processes: what a crash of onnxruntime takes along, and memory that comes back. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import onnx from '../../runtimes/onnx/index.ts'
import { silentLog, tensor } from '../../src/runtime/index.ts'
import type { Batch, Model, ModelSpec } from '../../src/runtime/index.ts'
import { fixtures } from '../paths.ts'
import { never, specOf } from './model-spec.ts'

async function load(name: string, changes: Partial<ModelSpec> = {}): Promise<Model> {
  const file = join(fixtures, 'models', name, 'model.onnx')
  const model = await onnx.load(specOf(file, { placement: 'process', ...changes }), silentLog, never)
  onTestFinished(() => model.close())
  return model
}

function divide(dividend: number, divisor: number): Batch {
  const input = (name: string, value: number) => tensor(name, 'INT32', [1], Int32Array.of(value))
  return { inputs: [input('INPUT0', dividend), input('INPUT1', divisor)] }
}

/** The smallest integer by -1: the processor traps, and onnxruntime does not look. */
const crash = divide(-2_147_483_648, -1)
const traps = process.arch === 'x64'

describe('an ONNX model in a process', () => {
  it('tells where it runs and how much memory it holds', async () => {
    const { metadata, memoryBytes } = await load('add-sub')
    expect(metadata.parameters).toMatchObject({ placement: 'process', placement_reason: 'asked for', instances: 1 })
    expect(memoryBytes).toBeGreaterThan(1_000_000) // onnxruntime itself lives there
  })

  it.skipIf(!traps)('crashes alone (skipped: only x86-64 traps on integer overflow)', async () => {
    const divider = await load('crash-int-div', { instances: 2 })
    const neighbour = await load('add-sub')
    const one = tensor('INPUT0', 'INT32', [1, 16], new Int32Array(16).fill(1))
    const sum = { inputs: [one, { ...one, name: 'INPUT1' }] }
    const beside = Promise.all(Array.from({ length: 100 }, () => neighbour.predict(sum, never)))
    const calls = Array.from({ length: 16 }, (_, call) =>
      divider.predict(call === 4 ? crash : divide(call * 3, 3), never),
    )
    const results = await Promise.allSettled(calls)
    const failures = results.flatMap((result, call) => (result.status === 'rejected' ? [[call, result.reason]] : []))
    const text = /^the process of model 'crash-int-div' ended by signal SIGFPE while it ran this request/
    expect(failures).toEqual([
      [4, expect.objectContaining({ code: 'internal', message: expect.stringMatching(text) as string })],
    ])
    for (const [call, result] of results.entries()) {
      if (result.status === 'fulfilled') expect(result.value[0]?.data).toEqual(Int32Array.of(call))
    }
    for (const [output] of await beside) expect(output?.data[0]).toBe(2)
  })

  it('passes an error of onnxruntime on and lives', async () => {
    const divider = await load('crash-int-div')
    await expect(divider.predict(divide(7, 0), never)).rejects.toMatchObject({ code: 'internal' })
    const [output] = await divider.predict(divide(9, 2), never)
    expect(output?.data).toEqual(Int32Array.of(4))
  })

  it('that cannot be loaded says why', async () => {
    const file = join(fixtures, 'models', 'load-failures', 'unknown-op.onnx')
    const loading = onnx.load(specOf(file, { placement: 'process' }), silentLog, never)
    await expect(loading).rejects.toMatchObject({ code: 'failed_precondition', message: /NoSuchOp/ })
  })
})

describe('threads and sessions', () => {
  it('are told with their reason', async () => {
    const { metadata } = await load('slow-5ms', { placement: 'auto' })
    const { threads, instances, parallelism_reason } = metadata.parameters ?? {}
    expect(Number(threads) * Number(instances)).toBeGreaterThanOrEqual(1)
    expect(parallelism_reason).toMatch(/thread|CPU|compared/)
  })

  it('are what the user says', async () => {
    const { metadata, concurrency } = await load('slow-5ms', { placement: 'thread', instances: 3 })
    expect(metadata.parameters).toMatchObject({ instances: 3, threads: 1, parallelism_reason: 'asked for' })
    expect(concurrency).toBeGreaterThanOrEqual(3)
  })
})
