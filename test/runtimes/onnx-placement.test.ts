import { describe, expect, it } from 'vitest'
import { choosePlacement, concurrencyOf, inlineConcurrencyOf } from '../../runtimes/onnx/choose-placement.ts'
import { inlineWithPool } from '../../runtimes/onnx/placed-model.ts'
import type { OnnxInfo } from '../../runtimes/onnx/session.ts'
import { silentLog, tensor } from '../../src/runtime/index.ts'
import type { PlacedSession, Placement } from '../../src/runtime/index.ts'

const info: OnnxInfo = {
  openMs: 1,
  timings: { runUs: 10, manyRowsUs: 41, rowBytes: 16, sample: { integer: 1, isTypical: true } },
  signature: {
    inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
    outputs: [{ name: 'Y', datatype: 'FP32', shape: [-1] }],
    hiddenOutputs: [],
    constantInputs: [],
  },
  file: {
    irVersion: 8,
    producer: '',
    producerVersion: '',
    opsets: { '': 17 },
    inputs: [],
    outputs: [],
    initializers: [],
    operators: { MatMul: 1 },
    metadata: {},
    fileBytes: 5000,
    externalFiles: [],
  },
}

function withRun(runUs: number): OnnxInfo {
  return { ...info, timings: { ...info.timings, runUs } }
}

describe('the choice of a placement', () => {
  it('takes what is cheaper than the hop inline, up to a size that stays cheap', () => {
    const choice = choosePlacement(info, 'cpu')
    expect(choice.placement).toBe('inline')
    expect(choice.inlineMaxBytes).toBe(16 + 190 * 16) // 1 µs a row of 16 bytes, 200 µs less the first 10
  })

  it('bounds the size where nothing was measured to grow, tighter with free dimensions', () => {
    const flat = { ...info, timings: { ...info.timings, manyRowsUs: 10 } }
    expect(choosePlacement(flat, 'cpu').inlineMaxBytes).toBe(65_536)
    const inputs = [{ name: 'X', datatype: 'FP32', shape: [-1, -1] }] as const
    const free = { ...flat, signature: { ...info.signature, inputs } }
    expect(choosePlacement(free, 'cpu').inlineMaxBytes).toBe(4096)
  })

  it.each<[string, OnnxInfo, RegExp]>([
    ['a longer run', withRun(80), /80 µs, more than the way/],
    ['a data-dependent operator', { ...info, file: { ...info.file, operators: { Expand: 1 } } }, /operator Expand/],
    ['a large file', { ...info, file: { ...info.file, fileBytes: 2_000_000 } }, /2000000 bytes/],
    ['a file slow to open', { ...info, openMs: 75 }, /75 ms to open/],
    ['no measurement', { ...info, timings: { failure: 'no luck' } }, /not measured: no luck/],
  ])('keeps a model with %s in the pool', (_title, model, reason) => {
    expect(choosePlacement(model, 'cpu')).toMatchObject({ placement: 'pool', reason: reason, inlineMaxBytes: 0 })
  })

  it('gives long runs and loops threads of their own', () => {
    expect(choosePlacement(withRun(12_000), 'cpu')).toMatchObject({ placement: 'thread' })
    const loop = { ...info, file: { ...info.file, operators: { Loop: 1 } } }
    expect(choosePlacement(loop, 'cpu')).toMatchObject({ placement: 'thread', reason: /Loop/ })
  })

  it('never runs a GPU on the main thread', () => {
    expect(choosePlacement(info, 'cuda:0')).toMatchObject({ placement: 'pool', reason: 'it runs on cuda:0' })
  })

  it('keeps as many calls under way as hide the hop', () => {
    expect(concurrencyOf(20, 100, 1)).toBe(6)
    expect(concurrencyOf(400, 60, 1)).toBe(2)
    expect(concurrencyOf(20_000, 100, 2)).toBe(2)
    expect(concurrencyOf(1, 1000, 1)).toBe(16)
    expect(concurrencyOf(undefined, 0, 3)).toBe(3)
  })

  it('starts no more inline runs in one turn of the event loop than the sockets can wait for', () => {
    expect(inlineConcurrencyOf(10)).toBe(32)
    expect(inlineConcurrencyOf(500)).toBe(4)
    expect(inlineConcurrencyOf(100_000)).toBe(1)
    expect(inlineConcurrencyOf(undefined)).toBe(1)
  })
})

describe('an inline model with a pool behind it', () => {
  const { signal } = new AbortController()

  function counting(placement: Placement): PlacedSession & { calls: number } {
    return {
      placement,
      instances: 1,
      info: undefined,
      calls: 0,
      run() {
        this.calls += 1
        return Promise.resolve([])
      },
      close: () => Promise.resolve(),
    }
  }

  /** Each run takes the next of these milliseconds. */
  function model(durations: readonly number[]) {
    const inline = counting('inline')
    const pool = counting('pool')
    let time = 0
    let step = 0
    const now = (): number => {
      if (step % 2 === 1) time += durations[(step - 1) / 2] ?? 0
      step += 1
      return time
    }
    const demotions: string[] = []
    const onDemotion = (reason: string): void => void demotions.push(reason)
    const options = { maxBytes: 100, reason: 'cheap', log: silentLog, model: 'm', now, onDemotion }
    return { inline, pool, demotions, placed: inlineWithPool(inline, pool, options) }
  }

  const ofBytes = (bytes: number) => ({ inputs: [tensor('X', 'UINT8', [bytes], new Uint8Array(bytes))] })

  it('sends large requests to the pool', async () => {
    const { placed, inline, pool } = model([])
    await placed.predict(ofBytes(100), signal)
    await placed.predict(ofBytes(101), signal)
    expect([inline.calls, pool.calls]).toEqual([1, 1])
  })

  it('moves to the pool for good after three very long runs in a row, and tells it once', async () => {
    const { placed, inline, pool, demotions } = model([17_000, 50, 40, 0.1])
    for (let call = 0; call < 5; call += 1) await placed.predict(ofBytes(1), signal)
    expect([inline.calls, pool.calls]).toEqual([3, 2])
    expect(demotions).toEqual([expect.stringMatching(/inline runs took long, the last one 40\.0 ms/)])
  })

  it('moves to the pool where runs are a little too long all the time', async () => {
    const { placed, pool } = model(new Array<number>(100).fill(3))
    for (let call = 0; call < 100; call += 1) await placed.predict(ofBytes(1), signal)
    expect(pool.calls).toBeGreaterThan(50)
  })

  it('stays where single runs are long because the machine is busy', async () => {
    const durations = new Array<number>(1000).fill(0.05)
    for (let index = 0; index < 1000; index += 20) durations[index] = 15
    for (const index of [100, 500]) durations[index] = 2000
    const { placed, pool } = model(durations)
    for (let call = 0; call < 1000; call += 1) await placed.predict(ofBytes(1), signal)
    expect(pool.calls).toBe(0)
  })
})
