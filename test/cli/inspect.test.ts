import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytesText, renderInspection } from '../../src/cli/inspect-output.ts'
import { runInspect } from '../../src/cli/inspect.ts'
import { samples, shared, withoutShared } from '../paths.ts'
import { catchIo } from './io.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inspect-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function inspect(...args: string[]) {
  const io = catchIo()
  const status = await runInspect(args, io)
  return { status, out: io.out(), err: io.err() }
}

const addSubFile = join(samples, 'add-sub', '1', 'model.onnx')

describe('servable inspect', () => {
  it('tells what is in a model directory and what loading it chose', async () => {
    const { status, out, err } = await inspect(join(samples, 'add-sub'), '--device', 'cpu')
    expect(err).toBe('')
    expect(status).toBe(0)
    expect(out).toMatch(/^add-sub version 1\n {2}source /)
    expect(out).toMatch(/opset +ai\.onnx \d+; IR \d+/)
    expect(out).toMatch(/operators +Add × 1, Sub × 1/)
    expect(out).toMatch(/device +cpu/)
    expect(out).toMatch(/placement +(inline|pool|thread): \w/)
    expect(out).toMatch(/batching +yes: rows give the same together as alone/)
    expect(out).toMatch(/│ input +│ INPUT0 +│ INT32 +│ \[N=-1,16\] │/)
  })

  it('reads a bare file', async () => {
    const { status, out } = await inspect(addSubFile)
    expect(status).toBe(0)
    expect(out).toContain('│ output │ OUTPUT1 │')
  })

  it("tells what MLServer's settings.json would set, and what of it means nothing here", async () => {
    const directory = join(folder, 'with-settings')
    await cp(join(samples, 'add-sub'), join(directory, 'add-sub'), { recursive: true })
    await writeFile(join(directory, 'settings.json'), '{"http_port": 9000, "kafka_enabled": true}')
    const { status, err } = await inspect(directory)
    expect(status).toBe(0)
    expect(err).toContain('settings.json: http_port is taken as --http-port=9000\n')
    expect(err).toContain('settings.json: kafka_enabled is not used: ')
  })

  it("refuses what is wrong in MLServer's settings.json", async () => {
    const directory = join(folder, 'wrong-settings')
    await cp(join(samples, 'add-sub'), join(directory, 'add-sub'), { recursive: true })
    await writeFile(join(directory, 'settings.json'), '{"http_port": "high"}')
    const { status, err } = await inspect(directory)
    expect(status).toBe(2)
    expect(err).toContain('settings.json: http_port: expected a port, got "high"\n')
  })

  it('tells what a models.config serves, its labels, and which of its models cannot be served', async () => {
    const config = join(folder, 'models.config')
    const path = join(samples, 'add-sub')
    await writeFile(
      config,
      `model_config_list {
        config { name: 'sums' base_path: '${path}' version_labels { key: 'stable' value: 1 } version_labels { key: 'next' value: 7 }
                 logging_config { sampling_config { sampling_rate: 0.1 } } }
        config { name: 'gone' base_path: 'nowhere' }
        config { name: 'none' base_path: '${path}' model_version_policy { specific { versions: 9 } } }
      }`,
    )
    const { status, out, err } = await inspect(config)
    expect(status).toBe(1)
    expect(err).toContain(`logging_config is not used: see --payload-log-url path=${config}:3\n`)
    expect(out).toMatch(/^sums version 1\n/)
    expect(out).toMatch(/labels +stable is 1; next is 7, which is not served\n/)
    expect(out).toMatch(/gone version 1\n(.*\n)* +cannot be served +model path \S+nowhere does not exist/)
    expect(out).toMatch(/cannot be served +No versions of servable none found under base path/)
    await writeFile(config, "model_config_list {\n config { name: 'sums' base_pth: 'x' }\n}")
    expect(await inspect(config)).toMatchObject({ status: 2, err: expect.stringContaining(":2: 'base_pth'") as string })
  })

  it('prints JSON', async () => {
    const { out } = await inspect(addSubFile, '--json', '--placement', 'inline')
    expect(JSON.parse(out)).toMatchObject([
      {
        version: '1',
        format: 'onnx',
        runtime: 'onnx',
        onnx: { operators: { Add: 1, Sub: 1 } },
        loaded: { inputs: [{ name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] }, { name: 'INPUT1' }] },
      },
    ])
  })

  it('tells all models of a repository, the broken ones with the reason, and then exits with 1', async () => {
    const repository = join(folder, 'repository')
    await mkdir(join(repository, 'sums', '2'), { recursive: true })
    await cp(addSubFile, join(repository, 'sums', '1', 'model.onnx'), { recursive: true })
    await cp(addSubFile, join(repository, 'sums', '2', 'model.onnx'))
    await writeFile(join(repository, 'empty.onnx'), '')
    const { status, out } = await inspect(repository)
    expect(status).toBe(1)
    expect(out).toMatch(/cannot be served +model file '.*empty\.onnx' is empty/)
    expect(out).toContain('sums version 1\n')
    expect(out).toMatch(/sums version 2\n(.*\n)* +versions +1, 2; without a version callers get 2/)
  })

  it('shows the signature that hooks make, and the one inside', async () => {
    const { out } = await inspect(join(samples, 'digits'))
    expect(out).toMatch(/hooks +image, labels from /)
    expect(out).toMatch(/│ input +│ \S+ +│ BYTES /)
    expect(out).toMatch(/│ inside hooks: input +│ \S+ +│ FP32 /)
  })

  it('says so where there is no model', async () => {
    const empty = join(folder, 'empty')
    await mkdir(empty)
    const { status, err } = await inspect(empty)
    expect(status).toBe(1)
    expect(err).toContain(`no model in ${empty}`)
  })

  it('refuses a path that does not exist, and no path, with 2', async () => {
    const gone = await inspect(join(folder, 'gone'))
    expect(gone).toMatchObject({ status: 2, out: '' })
    expect(gone.err).toContain('does not exist')
    expect(await inspect()).toMatchObject({ status: 2 })
    expect((await inspect('--devise', 'cpu')).err).toContain('did you mean --device?')
  })

  it('prints help', async () => {
    expect((await inspect('--help')).out).toContain('Usage: servable inspect')
  })

  describe.skipIf(shared === undefined)(`models that fail to load (${withoutShared})`, () => {
    it('names what is wrong with each', async () => {
      const { status, out } = await inspect(join(shared ?? '', 'models', 'own', 'synthetic', 'load-failures'), '--json')
      const reasons = JSON.parse(out) as { name: string; reason?: string }[]
      expect(status).toBe(1)
      expect(reasons.length).toBeGreaterThan(5)
      for (const { name, reason } of reasons) expect([name, reason]).toEqual([name, expect.stringMatching(/\w{3,}/)])
    })
  })
})

describe('renderInspection', () => {
  it('is a page for people', () => {
    const batch = { datatype: 'FP32', shape: [-1, 4], dimensionNames: ['N', ''] } as const
    const page = renderInspection(
      {
        name: 'iris',
        version: '2',
        source: '/models/iris/2/model.onnx',
        format: 'onnx',
        runtime: 'onnx',
        bytes: 8401,
        hooks: ['labels from /models/iris/labels.txt'],
        onnx: {
          inputs: [],
          outputs: [],
          irVersion: 8,
          producer: 'skl2onnx',
          producerVersion: '1.17',
          opsets: { '': 17, 'ai.onnx.ml': 3 },
          operators: { Cast: 1, LinearClassifier: 2 },
          fileBytes: 8401,
          externalFiles: [{ location: 'weights.bin', bytes: 2_000_000 }],
          metadata: {},
        },
        loaded: {
          platform: 'onnxruntime_onnx',
          inputs: [{ name: 'X', ...batch }],
          outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1] }],
          inner: { inputs: [], outputs: [{ name: 'label', datatype: 'INT64', shape: [-1], isAnyRank: true }] },
          parameters: { device: 'cpu', device_reason: 'no NVIDIA driver', run_us: 11, opset: 17, is_warm: true },
          memoryBytes: 8401,
          concurrency: 2,
          maxBatchSize: 64,
          loadMs: 31.4,
        },
      },
      ['1', '2'],
    )
    expect(`\n${page}`).toBe(`
iris version 2
  source         /models/iris/2/model.onnx (8.4 kB)
  versions       1, 2; without a version callers get 2
  format         onnx, served by runtime onnx
  hooks          labels from /models/iris/labels.txt
  opset          ai.onnx 17, ai.onnx.ml 3; IR 8; made by skl2onnx 1.17
  operators      LinearClassifier × 2, Cast × 1
  external file  weights.bin (2.0 MB)
  platform       onnxruntime_onnx
  device         cpu: no NVIDIA driver
  run            11 µs
  is warm        true
  runs at once   2, at most 64 rows each
  memory         8.4 kB
  loaded in      31 ms

┌──────────────────────┬───────┬──────────┬──────────┐
│                      │ name  │ datatype │ shape    │
├──────────────────────┼───────┼──────────┼──────────┤
│ input                │ X     │ FP32     │ [N=-1,4] │
│ output               │ label │ BYTES    │ [-1]     │
│ inside hooks: output │ label │ INT64    │ any      │
└──────────────────────┴───────┴──────────┴──────────┘
`)
  })

  it('writes sizes as people read them', () => {
    expect([0, 999, 1000, 8401, 99_960, 155_000, 3.2e9].map(bytesText)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '8.4 kB',
      '100 kB',
      '155 kB',
      '3.2 GB',
    ])
  })
})
