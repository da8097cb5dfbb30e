/** Warm-up, proof of batchability and measurement of models that behave, and of those that do not. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import type { Batch, Model, TensorMetadata } from '../../src/core/model.ts'
import { tensor, type Tensor } from '../../src/core/tensor.ts'
import { prepare, type PreparationOptions } from '../../src/scheduling/preparation.ts'

const never = new AbortController().signal
const x: TensorMetadata = { name: 'x', datatype: 'FP32', shape: [-1, 2] }
const y: TensorMetadata = { name: 'y', datatype: 'FP32', shape: [-1, 2] }

interface Setup {
  readonly inputs?: readonly TensorMetadata[]
  readonly outputs?: readonly TensorMetadata[]
  readonly options?: Partial<PreparationOptions>
  readonly signal?: AbortSignal
}

/** Numbers of rows of all runs, in their order. */
interface Prepared extends Awaited<ReturnType<typeof prepare>> {
  readonly runs: readonly number[]
}

async function prepared(predict: (batch: Batch) => readonly Tensor[], setup: Setup = {}): Promise<Prepared> {
  const runs: number[] = []
  const model: Model = {
    metadata: { platform: 'fake', inputs: setup.inputs ?? [x], outputs: setup.outputs ?? [y] },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 1,
    predict: async (batch) => {
      runs.push(batch.inputs[0]?.shape[0] ?? 1)
      return Promise.resolve(predict(batch))
    },
    close: () => Promise.resolve(),
  }
  const options: PreparationOptions = { name: 'm', maxRows: 8, now: () => 0, ...setup.options }
  const preparation = await prepare(model, options, silentLog, setup.signal ?? never)
  return { ...preparation, runs }
}

/** The one FP32 input of a batch. */
function floats({ inputs: [input] }: Batch): { readonly shape: readonly number[]; readonly data: Float32Array } {
  if (input?.datatype !== 'FP32') throw new Error('the model was not given its input')
  return input
}

function mapped(batch: Batch, change: (value: number, index: number, all: Float32Array) => number): readonly Tensor[] {
  const { shape, data } = floats(batch)
  return [
    tensor(
      'y',
      'FP32',
      shape,
      data.map((value, index) => change(value, index, data)),
    ),
  ]
}

const mean = (all: Float32Array): number => all.reduce((sum, value) => sum + value, 0) / all.length

describe('the proof of batchability', () => {
  it('runs only what was given where an earlier one of the same files is known', async () => {
    const known = { isBatchable: true, reason: 'proved before', samples: [{ rows: 1, ms: 2 }] }
    const given = { batch: { inputs: [tensor('x', 'FP32', [3, 2], new Float32Array(6))] }, count: 2, source: 'a file' }
    const { runs, ...preparation } = await prepared((batch) => mapped(batch, (value) => value), {
      options: { known, requests: [given] },
    })
    expect([runs, preparation]).toEqual([[3, 3], known])
  })

  it('lets a model batch whose rows do not see each other', async () => {
    const { isBatchable, reason } = await prepared((batch) => mapped(batch, (value) => value * 2))
    expect({ isBatchable, reason }).toEqual({ isBatchable: true, reason: 'rows give the same together as alone' })
  })

  it('forgives what floating point may differ', async () => {
    const { isBatchable } = await prepared((batch) =>
      mapped(batch, (value, _index, all) => value * (1 + (all.length > 2 ? 2e-5 : 0))),
    )
    expect(isBatchable).toBe(true)
  })

  it.each<[string, (value: number, index: number, all: Float32Array) => number]>([
    ['averages over the batch', (value, _index, all) => value - mean(all)],
    ['adds the place in the batch', (value, index) => value + Math.floor(index / 2)],
    [
      'keeps a running maximum',
      (_value, index, all) => Math.max(...all.filter((_, at) => at % 2 === index % 2 && at <= index)),
    ],
    ['scales by the largest', (value, _index, all) => value / Math.max(...all.map(Math.abs))],
  ])('refuses a model that %s', async (_name, change) => {
    const { isBatchable, reason } = await prepared((batch) => mapped(batch, change))
    expect({ isBatchable, reason }).toEqual({
      isBatchable: false,
      reason: "output 'y' of a row is another one when other rows are in the same run",
    })
  })

  it('refuses a model that looks at its neighbours from three rows on', async () => {
    const { isBatchable, runs } = await prepared((batch) =>
      mapped(batch, (value, _index, all) => (all.length > 4 ? value + all.length : value)),
    )
    expect(isBatchable).toBe(false)
    expect(runs.at(-1)).toBe(4)
  })

  it.each<[string, () => number]>([
    [
      'counts its runs',
      (() => {
        let runs = 0
        return () => (runs += 1)
      })(),
    ],
    ['is random', Math.random],
  ])('says of a model that %s that equal inputs give different outputs', async (_name, next) => {
    const { isBatchable, reason } = await prepared((batch) => {
      const offset = next()
      return mapped(batch, (value) => value + offset)
    })
    expect(isBatchable).toBe(false)
    expect(reason).toMatch(/^equal inputs give different outputs/)
  })

  it('proves nothing by rows that a model cannot tell apart', async () => {
    const constant = await prepared((batch) => mapped(batch, () => 7))
    expect(constant).toMatchObject({
      isBatchable: false,
      reason: 'different rows give equal outputs, which proves nothing',
    })
    const centred = await prepared((batch) => {
      const { shape, data } = floats(batch)
      const rows = shape[0] ?? 1
      const means = [0, 1].map((column) => mean(data.filter((_, index) => index % 2 === column)))
      return [
        tensor(
          'y',
          'FP32',
          [rows, 2],
          data.map((value, index) => value - (means[index % 2] ?? 0)),
        ),
      ]
    })
    expect(centred).toMatchObject({
      isBatchable: false,
      reason: "output 'y' of a row is another one when other rows are in the same run",
    })
    const tree = await prepared((batch) => mapped(batch, (value) => (value > 4 ? 1 : 0)))
    expect(tree.isBatchable).toBe(true)
  })

  it('refuses outputs without a row for each row', async () => {
    const sum = await prepared((batch) => [tensor('y', 'FP32', [1], Float32Array.of(mean(floats(batch).data)))], {
      outputs: [{ ...y, shape: [-1] }],
    })
    expect(sum).toMatchObject({ isBatchable: false, reason: "output 'y' of 2 rows has the shape [1]" })
  })

  it.each<[string, Setup, string]>([
    ['a fixed input', { inputs: [{ ...x, shape: [1, 2] }] }, "the first dimension of input 'x' is not free"],
    ['a scalar output', { outputs: [{ ...y, shape: [] }] }, "the first dimension of output 'y' is not free"],
    ['no known shape', { inputs: [{ ...x, isAnyRank: true }] }, "input 'x' has no known shape"],
    ['one row a run', { options: { maxRows: 1 } }, 'a run takes one row'],
    ['batching off', { options: { batching: 'off' } }, 'batching is off in the settings of the model'],
  ])('runs a model with %s by single rows only', async (_name, setup, reason) => {
    const { isBatchable, runs, ...rest } = await prepared((batch) => mapped(batch, (value) => value), setup)
    expect(isBatchable).toBe(false)
    expect(rest.reason).toBe(reason)
    expect(new Set(runs)).toEqual(new Set([1]))
  })

  it('takes the word of who says that batching is on, unless the shapes say otherwise', async () => {
    const options = { batching: 'on' } as const
    const counting = await prepared((batch) => mapped(batch, (_value, _index, all) => all.length), { options })
    expect(counting).toMatchObject({ isBatchable: true, reason: 'batching is on in the settings of the model' })
    const fixed = await prepared((batch) => mapped(batch, (value) => value), {
      options,
      inputs: [{ ...x, shape: [4, 2] }],
    })
    expect(fixed).toMatchObject({
      isBatchable: false,
      reason: "batching is on in the settings of the model, but the first dimension of 'x' is not free",
    })
  })

  it('tries smaller indices where a model refuses made-up ones', async () => {
    const ids: TensorMetadata = { name: 'x', datatype: 'INT64', shape: [-1] }
    const { isBatchable } = await prepared(
      ({ inputs: [input] }) => {
        if (input?.datatype !== 'INT64') throw new Error('wrong input')
        if (input.data.some((id) => id > 1n)) throw new InferenceError('internal', 'index out of bounds')
        return [
          tensor(
            'y',
            'FP32',
            input.shape,
            Float32Array.from(input.data, (id) => Number(id) / 3),
          ),
        ]
      },
      { inputs: [ids], outputs: [{ ...y, shape: [-1] }] },
    )
    expect(isBatchable).toBe(true)
  })

  it('prepares a model that refuses everything made up, with the reason', async () => {
    const { isBatchable, reason, samples } = await prepared(() => {
      throw new InferenceError('internal', 'not with me')
    })
    expect({ isBatchable, reason, samples }).toEqual({
      isBatchable: false,
      reason: 'it refuses made-up inputs: not with me',
      samples: [],
    })
  })

  it('compares texts and half precision', async () => {
    const text: TensorMetadata = { name: 'x', datatype: 'BYTES', shape: [-1] }
    const half: TensorMetadata = { name: 'h', datatype: 'FP16', shape: [-1, 3] }
    const echo = ({ inputs }: Batch): readonly Tensor[] => inputs.map((input) => ({ ...input, name: `${input.name}2` }))
    const outputs = [
      { ...text, name: 'x2' },
      { ...half, name: 'h2' },
    ]
    expect(await prepared(echo, { inputs: [text, half], outputs })).toMatchObject({ isBatchable: true })
    const reversed = await prepared(
      (batch) => echo(batch).map((output) => ({ ...output, data: output.data.toReversed() }) as Tensor),
      { inputs: [text, half], outputs },
    )
    expect(reversed.isBatchable).toBe(false)
  })
})

describe('the measurement at load', () => {
  /** A clock that each run moves on. */
  function timed(msOf: (rows: number) => number, options: Partial<PreparationOptions> = {}): Promise<Prepared> {
    let now = 0
    return prepared(
      (batch) => {
        now += msOf(batch.inputs[0]?.shape[0] ?? 1)
        return mapped(batch, (value) => value * 2)
      },
      { options: { now: () => now, maxRows: 64, ...options } },
    )
  }

  it('runs 1, 2, 4, … rows up to the most', async () => {
    const { samples } = await timed((rows) => 0.1 + rows / 100)
    expect(new Set(samples.map(({ rows }) => rows))).toEqual(new Set([1, 2, 4, 8, 16, 32, 64]))
    for (const { rows, ms } of samples) expect(ms).toBeCloseTo(0.1 + rows / 100)
  })

  it('stays within its budget', async () => {
    const { samples, runs } = await timed((rows) => 5 * rows, { budgetMs: 150 })
    const measured = runs.slice(5).reduce((sum, rows) => sum + 5 * rows, 0)
    expect(measured).toBeLessThanOrEqual(150)
    expect(samples.length).toBeGreaterThan(4)
  })

  it('runs a slow model no more often than the proof needs', async () => {
    const { isBatchable, runs, samples } = await timed((rows) => 1900 + 100 * rows)
    expect({ isBatchable, runs }).toEqual({ isBatchable: true, runs: [1, 1, 2] })
    expect(samples).toEqual([
      { rows: 1, ms: 2000 },
      { rows: 2, ms: 2100 },
    ])
  })

  it('does not prove a model that takes many seconds', async () => {
    const { isBatchable, reason, runs } = await timed(() => 4000)
    expect({ isBatchable, runs }).toEqual({ isBatchable: false, runs: [1] })
    expect(reason).toMatch(/^a run takes 4\.0 s/)
    const known = await timed(() => 4000, { knownRunMs: 4000 })
    expect(known).toMatchObject({ isBatchable: false, runs: [], samples: [{ rows: 1, ms: 4000 }] })
  })

  it('does not let a model batch that refuses many rows', async () => {
    const { isBatchable, reason } = await prepared((batch) => {
      if (floats(batch).data.length > 8) throw new InferenceError('internal', 'too many')
      return mapped(batch, (value) => value)
    })
    expect({ isBatchable, reason }).toEqual({ isBatchable: false, reason: 'it refuses 8 rows: too many' })
  })

  it('ends with the signal, even in the middle of a run', async () => {
    const controller = new AbortController()
    const reason = new InferenceError('cancelled', 'the model was unloaded while it loaded')
    await expect(
      prepared(
        (batch) => {
          controller.abort(reason)
          return mapped(batch, (value) => value)
        },
        { signal: controller.signal },
      ),
    ).rejects.toBe(reason)
    await expect(prepared((batch) => mapped(batch, (value) => value), { signal: controller.signal })).rejects.toBe(
      reason,
    )
  })
})

describe('given warm-up requests', () => {
  const request = (values: readonly number[], count = 1) => ({
    batch: { inputs: [tensor('x', 'FP32', [values.length / 2, 2], Float32Array.from(values))] },
    count,
    source: 'model.yaml',
  })

  it('run as often as they say, and their rows are what the proof is made of', async () => {
    const seen: number[] = []
    const { isBatchable, runs } = await prepared(
      (batch) => {
        seen.push(...floats(batch).data)
        return mapped(batch, (value) => value + 1)
      },
      { options: { requests: [request([1, 2, 3, 4, 5, 6], 2)] } },
    )
    expect(isBatchable).toBe(true)
    expect(runs.slice(0, 4)).toEqual([3, 3, 1, 1])
    expect(new Set(seen)).toEqual(new Set([1, 2, 3, 4, 5, 6]))
  })

  it('for another signature run, and are nothing to prove the first one with', async () => {
    const named: unknown[] = []
    const { batch, ...rest } = request([1, 2, 3, 4])
    const other = { ...rest, batch: { ...batch, parameters: { signature_name: 'other' } } }
    const { isBatchable, runs } = await prepared(
      (run) => {
        named.push(run.parameters?.['signature_name'])
        return mapped(run, (value) => value + 1)
      },
      { options: { requests: [other] } },
    )
    expect(isBatchable).toBe(true)
    expect([runs[0], named[0]]).toEqual([2, 'other'])
    expect(new Set(named.slice(1))).toEqual(new Set([undefined]))
  })

  it('fail the load where the model refuses one', async () => {
    const refusing = (): never => {
      throw new InferenceError('invalid_argument', 'too hot')
    }
    await expect(prepared(refusing, { options: { requests: [request([1, 2])] } })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: 'warm-up request of model.yaml failed: too hot',
    })
  })
})
