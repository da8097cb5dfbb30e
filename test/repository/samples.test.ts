/** The packaged sample models answer as their goldens say, and as their sample.json promises. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import onnx from '../../runtimes/onnx/index.ts'
import type { InferenceResponse } from '../../src/core/inference.ts'
import { silentLog } from '../../src/core/log.ts'
import { allocate, isDataType, tensor, type Tensor } from '../../src/core/tensor.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { discover } from '../../src/repository/layout.ts'
import { entryFor } from '../../src/repository/load-model.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { context } from '../hooks/calls.ts'
import { fixtures, samples } from '../paths.ts'

const names = ['add-sub', 'breast-cancer', 'digits', 'iris', 'iris-labels']
const repository = new ModelRepository()
const plane = new DataPlane(repository)

beforeAll(async () => {
  const defaults = { device: 'cpu', placement: 'inline', maxQueueSize: 100 } as const
  const registry = { forFormat: () => onnx, forName: () => onnx }
  for (const model of await discover(samples, { formats: onnx.formats, defaults, log: silentLog })) {
    const status = await repository.load(
      entryFor(model, {
        registry,
        log: silentLog,
        schedule: (loaded) => schedule(loaded, { name: 'm', maxQueueSize: 10 }),
      }),
    )
    expect(status.reason).toBeUndefined()
  }
})
afterAll(() => repository.close())

interface JsonTensor {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
  readonly data: readonly (number | string | null)[]
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T
}

function tensorOf({ name, datatype, shape, data }: JsonTensor): Tensor {
  if (!isDataType(datatype)) throw new Error(`no datatype: ${datatype}`)
  if (datatype === 'BYTES')
    return tensor(
      name,
      datatype,
      shape,
      data.map((text) => new TextEncoder().encode(String(text))),
    )
  const elements = allocate(datatype, data.length)
  data.forEach((value, index) => {
    const number = value === null ? NaN : Number(value)
    elements[index] = elements instanceof BigInt64Array || elements instanceof BigUint64Array ? BigInt(number) : number
  })
  return tensor(name, datatype, shape, elements)
}

/** Numbers and texts of a tensor. */
function plain({ datatype, data }: Tensor): (number | string)[] {
  return datatype === 'BYTES'
    ? data.map((bytes) => new TextDecoder().decode(bytes))
    : Array.from<number | bigint, number>(data, Number)
}

function expectClose(response: InferenceResponse, expected: readonly JsonTensor[], tolerance = 1e-5) {
  for (const { name, datatype, shape, data } of expected) {
    const output = response.outputs.find((candidate) => candidate.name === name)
    expect([output?.datatype, output?.shape]).toEqual([datatype, shape])
    plain(tensorOf({ name, datatype, shape, data })).forEach((value, index) => {
      const given = output === undefined ? undefined : plain(output)[index]
      if (typeof value === 'string') expect(given).toBe(value)
      else expect(Math.abs(Number(given) - value)).toBeLessThanOrEqual(tolerance + Math.abs(value) * 1e-4)
    })
  }
}

const infer = (name: string, inputs: readonly Tensor[]) => plane.infer({ model: { name }, inputs }, context())

describe.each(names)('%s', (name) => {
  it('agrees with its goldens', async () => {
    const golden = await json<{ cases: { inputs: JsonTensor[]; outputs: JsonTensor[] }[] }>(
      join(fixtures, 'goldens', `${name}.json`),
    )
    expect(golden.cases.length).toBeGreaterThan(0)
    for (const { inputs, outputs } of golden.cases) expectClose(await infer(name, inputs.map(tensorOf)), outputs)
  })

  it('answers its sample as promised', async () => {
    const sample = await json<Sample>(join(samples, name, 'sample.json'))
    if (sample.protocol === 'v2') {
      const response = await infer(name, sample.request.inputs.map(tensorOf))
      expect(sample.answer).toMatchObject({ model_name: name, model_version: '1' })
      expect(response.outputs.map((output) => output.name)).toEqual(sample.answer.outputs.map((output) => output.name))
      return expectClose(response, sample.answer.outputs)
    }
    const pictures = sample.request.instances.map(({ b64 }) => Buffer.from(b64, 'base64'))
    const response = await infer(name, [tensor('image', 'BYTES', [pictures.length], pictures)])
    const [row] = sample.answer.predictions
    expect(response.outputs.map((output) => output.name)).toEqual(Object.keys(row ?? {}))
    expectClose(
      response,
      Object.entries(row ?? {}).map(([output, data]) => {
        const datatype = typeof data[0] === 'string' ? 'BYTES' : 'FP32'
        return { name: output, datatype, shape: [1, data.length], data }
      }),
    )
  })
})

type Sample =
  | { protocol: 'v2'; request: { inputs: JsonTensor[] }; answer: { outputs: JsonTensor[] } }
  | {
      protocol: 'v1'
      request: { instances: { b64: string }[] }
      answer: { predictions: Record<string, (number | string)[]>[] }
    }

describe('digits', () => {
  it.each([
    ['digit3_8x8.png', '3'],
    ['digit3_128x128.png', '3'],
    ['digit7_8x8.png', '7'],
    ['digit7_128x128.png', '7'],
  ])('reads %s as a %s', async (file, digit) => {
    const png = await readFile(join(samples, 'digits', 'samples', file))
    const response = await infer('digits', [tensor('image', 'BYTES', [1, 1], [png])])
    const labels = response.outputs.find(({ name }) => name === 'labels')
    expect(labels && plain(labels)[0]).toBe(digit)
  })
  it('shows encoded pictures in and labels out', () => {
    expect(repository.metadata({ name: 'digits' })).toMatchObject({
      inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1] }],
      outputs: [
        { name: 'probabilities', datatype: 'FP32' },
        { name: 'labels', datatype: 'BYTES', shape: [-1, 3] },
        { name: 'scores', datatype: 'FP32', shape: [-1, 3] },
      ],
    })
  })
  it('answers the labels alone where only they are wanted', async () => {
    const png = await readFile(join(samples, 'digits', 'samples', 'digit7_8x8.png'))
    const inputs = [tensor('image', 'BYTES', [1], [png])]
    const response = await plane.infer({ model: { name: 'digits' }, inputs, outputs: ['labels'] }, context())
    expect(response.outputs.map(({ name }) => name)).toEqual(['labels'])
  })
})
