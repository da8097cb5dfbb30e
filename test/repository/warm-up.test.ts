/** Warm-up requests from model.yaml, from files of V2 JSON, and from TensorFlow Serving's file. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodePredictRequest } from '../../src/codec/tensorflow/predict.ts'
import { writeRecords } from '../../src/codec/tensorflow/record.ts'
import { silentLog, type LogFields } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { discover } from '../../src/repository/layout.ts'
import { entryFor } from '../../src/repository/load-model.ts'
import { parseModelYaml } from '../../src/repository/model-yaml.ts'
import type { WarmUpRequest } from '../../src/scheduling/preparation.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { embedded } from '../codec/embedded.ts'
import { directoryWith, type Files } from './directories.ts'
import { fakeModel } from './fake-models.ts'

const metadata = {
  platform: 'fake',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
} as const

interface Warmed {
  readonly requests: readonly WarmUpRequest[]
  readonly warnings: readonly LogFields[]
}

async function warmUpsOf(files: Files): Promise<Warmed> {
  const directory = await directoryWith({ 'm/model.onnx': '', ...files })
  const warnings: LogFields[] = []
  const log = { ...silentLog, warn: (fields: LogFields) => warnings.push(fields) }
  const defaults = { device: 'auto', placement: 'auto', maxQueueSize: 10 } as const
  const [found] = await discover(join(directory, 'm'), { formats: ['onnx'], defaults, log })
  if (found === undefined) throw new Error('nothing was discovered')
  const runtime = {
    api: 1,
    name: 'fake',
    formats: ['onnx'],
    load: () => Promise.resolve(fakeModel('m', { metadata })),
  } as const
  let requests: readonly WarmUpRequest[] = []
  const entry = entryFor(found, {
    registry: { forFormat: () => runtime, forName: () => runtime },
    log,
    schedule: (model, { ref: { name }, maxQueueSize }, preparing) => {
      requests = preparing.requests
      return schedule(model, { name, maxQueueSize })
    },
  })
  await entry.load(new AbortController().signal)
  return { requests, warnings }
}

const json = (...data: number[]) =>
  JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [data.length / 2, 2], data }] })
const x = (...data: number[]) => tensor('x', 'FP32', [data.length / 2, 2], Float32Array.from(data))

describe('warmup in model.yaml', () => {
  it('takes requests inline, made up, and from files', async () => {
    const { requests } = await warmUpsOf({
      'm/model.yaml': `
warmup:
  - inputs: [{name: x, datatype: FP32, shape: [1, 2], data: [1, 2.5]}]
    outputs: [y]
    count: 3
  - inputs: [{name: x, shape: [4, 2], random: true}]
  - inputs: [{name: x, zero: true}]
  - requests.json
  - {file: more.json, count: 2}`,
      'm/requests.json': `${json(1, 2)}\n${json(3, 4, 5, 6)}\n`,
      'm/more.json': `[${json(7, 8)}]`,
    })
    expect(requests.map(({ batch, count }) => ({ ...batch, count }))).toMatchObject([
      { inputs: [x(1, 2.5)], outputs: ['y'], count: 3 },
      { inputs: [{ name: 'x', shape: [4, 2] }], count: 1 },
      { inputs: [x(0, 0)], count: 1 },
      { inputs: [x(1, 2)], count: 1 },
      { inputs: [x(3, 4, 5, 6)], count: 1 },
      { inputs: [x(7, 8)], count: 2 },
    ])
    const random = requests[1]?.batch.inputs[0]
    expect(new Set<unknown>(random?.data).size).toBe(8)
  })

  it('sends requests through the hooks, and made-up tensors to the model itself', async () => {
    const { requests } = await warmUpsOf({
      'm/model.yaml': `
hooks: ./hooks.mjs
warmup:
  - inputs: [{name: x, datatype: FP32, shape: [1, 2], data: [1, 2]}]
  - inputs: [{name: x, zero: true}]`,
      'm/hooks.mjs': `export const preprocess = (request) => ({
        ...request, inputs: request.inputs.map((input) => ({ ...input, data: input.data.map((value) => value + 10) })) })`,
    })
    expect(requests.map(({ batch }) => batch.inputs)).toEqual([[x(11, 12)], [x(0, 0)]])
  })

  it.each([
    ['a file that is missing', '- gone.json', /^warmup: .*gone\.json does not exist$/],
    ['a file outside of the model', '- ../out.json', /^warmup: .*out\.json lies outside of the model's directory/],
    ['a file that is no JSON', '- bad.json', /^warmup: .*bad\.json: /],
    ['a request that is none', '- list.json', /^warmup: .*list\.json: .*A request must be an object/],
    ['a request that does not fit', '- wide.json', /^warmup: .*wide\.json, request 1: unexpected shape for input 'x'/],
    [
      'an input that there is not',
      '- inputs: [{name: z, zero: true}]',
      /^warmup: model\.yaml, warmup 1: the model has no input 'z'; it has 'x'$/,
    ],
    [
      'data that do not fit',
      '- inputs: [{name: x, datatype: FP32, shape: [2, 2], data: [1]}]',
      /^warmup: model\.yaml, warmup 1: /,
    ],
  ])('fails the load for %s', async (_name, line, message) => {
    await expect(
      warmUpsOf({
        'm/model.yaml': `warmup:\n  ${line}`,
        'out.json': json(1, 2),
        'm/bad.json': '{"inputs": ',
        'm/list.json': '[1, 2]',
        'm/wide.json': json(1, 2).replace('[1,2]', '[1,2,1]'),
      }),
    ).rejects.toMatchObject({ code: 'failed_precondition', message: expect.stringMatching(message) as string })
  })

  it.each([
    ['- {file: a.json, inputs: [{name: x, zero: true}]}', 'give one of file and inputs'],
    ['- inputs: [{name: x, zero: true, random: true}]', 'give one of data, random: true, zero: true and raw_file'],
    ['- inputs: [{name: x, data: [1]}]', 'data and raw_file need datatype and shape beside them'],
    ['- {file: a.json, cuont: 2}', "unknown key 'warmup.0.cuont'; did you mean 'count'?"],
    ['- {file: a.json, count: 2000}', "'warmup.0.count'"],
  ])('complains of %s', (line, message) => {
    expect(() => parseModelYaml(`warmup:\n  ${line}`, 'model.yaml')).toThrow(message)
  })
})

describe("TensorFlow Serving's warm-up file", () => {
  const path = 'm/assets.extra/tf_serving_warmup_requests'
  const predictLog = (...data: number[]): Uint8Array => {
    const request = encodePredictRequest({
      spec: { name: 'm', signatureName: '' },
      inputs: [x(...data)],
      outputFilter: [],
    })
    return embedded(6, embedded(1, request))
  }

  it('runs its records and leaves out what no model here answers', async () => {
    const file = writeRecords([predictLog(1, 2), embedded(5, new Uint8Array(0)), predictLog(3, 4, 5, 6)])
    const { requests, warnings } = await warmUpsOf({ [path]: file })
    expect(requests.map(({ batch }) => batch.inputs)).toEqual([[x(1, 2)], [x(3, 4, 5, 6)]])
    expect(requests[1]?.source).toMatch(/tf_serving_warmup_requests, record 3$/)
    expect(warnings).toEqual([{ model: 'm', record: 2, kind: 'session_run_log' }])
  })

  it('fails the load with file, record and reason', async () => {
    const damaged = writeRecords([predictLog(1, 2), predictLog(3, 4)]).with(-1, 0)
    await expect(warmUpsOf({ [path]: damaged })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(
        /^warmup: .*tf_serving_warmup_requests: record 2: the checksum of its bytes is wrong$/,
      ) as string,
    })
    const wrong = writeRecords([predictLog(1, 2), embedded(6, Uint8Array.of(9))])
    await expect(warmUpsOf({ [path]: wrong })).rejects.toThrow(/tf_serving_warmup_requests, record 2: malformed/)
  })
})
