/** Which files are read, which kinds are understood, and how mistakes are told. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { readManifests } from '../../src/kserve/index.ts'
import { ManifestBench, onnxModel, service, v1alpha1, v1beta1 } from './support.ts'

const bench = new ManifestBench()
afterAll(() => bench.close())

const secret = `apiVersion: v1
kind: Secret
metadata: {name: storage-config, namespace: team}
type: Opaque
stringData:
  minio: '{"type": "s3", "secret_access_key": "hunter2"}'
data:
  other: aHVudGVyMw==
`

describe('manifests', () => {
  it('are read from directories, in all their files and documents, and from lists', async () => {
    const list = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'sa' }, secrets: [{ name: 'storage-config' }] },
      ],
    })
    const read = await bench.read({
      'b/isvc.yaml': `${service(onnxModel, 'one')}---\n${service(onnxModel, 'two', ', namespace: team')}`,
      'a/runtime.yml': `${v1alpha1}\nkind: ClusterServingRuntime\nmetadata: {name: own}\nspec: {supportedModelFormats: [{name: onnx}]}\n`,
      'list.json': list,
      'secret.yaml': secret,
      '.hidden/x.yaml': 'not: read',
      'notes.txt': 'not read',
    })
    expect(read.inferenceServices.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual([
      'default/one',
      'team/two',
    ])
    expect(read.servingRuntimes.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual(['/own'])
    expect(read.serviceAccounts.map(({ spec }) => spec.secrets)).toEqual([['storage-config']])
    expect(read.secrets[0]?.spec.values.get('other')?.reveal()).toBe('hunter3')
    expect(read.warnings).toEqual([])
  })

  it('may lie beside large data, which is not read', async () => {
    const directory = await bench.write({ 'm.yaml': service(onnxModel), 'data.json': ' '.repeat(8_000_001) })
    const { inferenceServices, warnings } = await readManifests([directory])
    expect(inferenceServices).toHaveLength(1)
    expect(bench.plain(warnings)).toEqual(['data.json:1: is too large for a manifest, it is left alone'])
  })

  it('that somebody names twice, once by the directory, are read once', async () => {
    const directory = await bench.write(service(onnxModel))
    const read = await readManifests([join(directory, 'm.yaml'), directory])
    expect(read.inferenceServices).toHaveLength(1)
  })

  it('of other kinds are left alone, with a word about each', async () => {
    const other = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n'
    const { warnings } = await bench.read({
      'a.yaml': `${other}---\n${v1alpha1}\nkind: TrainedModel\n`,
      'model.yaml': 'hooks: x\n',
    })
    expect(bench.plain(warnings)).toEqual([
      'a.yaml:2: kind: Deployment (apps/v1) is not understood, it is left alone',
      'a.yaml:6: kind: TrainedModel (serving.kserve.io/v1alpha1) is not understood, it is left alone',
      'model.yaml:1: is no manifest: it has no apiVersion and kind, it is left alone',
    ])
  })

  it('of fields that nothing resembles are read, with a word about them', async () => {
    const { warnings } = await bench.read(service(`${onnxModel}\n  quantumMode: on\nzzz: 1`))
    expect(bench.plain(warnings)).toEqual([
      'm.yaml:10: spec.predictor.zzz: unknown field, it is left alone',
      'm.yaml:9: spec.predictor.model.quantumMode: unknown field, it is left alone',
    ])
  })
})

describe('a mistake', () => {
  it.each([
    [
      'a wrong kind of value',
      service('model: {modelFormat: onnx, storageUri: 5}'),
      [
        'm.yaml:6: spec.predictor.model.storageUri: expected string, received number: put it in quotes',
        'm.yaml:6: spec.predictor.model.modelFormat: expected object, received string',
      ],
    ],
    [
      'a version without quotes',
      service('model:\n  modelFormat:\n    name: onnx\n    version: 1\n'),
      ['m.yaml:9: spec.predictor.model.modelFormat.version: expected string, received number: put it in quotes'],
    ],
    [
      'a protocol that does not exist',
      service(`${onnxModel}\n  protocolVersion: v3`),
      ['m.yaml:9: spec.predictor.model.protocolVersion: expected one of "v1"|"v2"|"grpc-v1"|"grpc-v2"'].map((line) =>
        line.replace('m.yaml:8', 'm.yaml:9'),
      ),
    ],
    [
      'a slip of the pen',
      service('modle:\n  modelFormat: {name: onnx}\nminReplica: 1'),
      [
        "m.yaml:6: spec.predictor.modle: unknown field: did you mean 'model'?",
        "m.yaml:8: spec.predictor.minReplica: unknown field: did you mean 'minReplicas'?",
      ],
    ],
    [
      'a slip deep inside',
      service('model:\n  modelFormat: {nmae: x, name: onnx}\n  storageUrl: x\n  storage: {keey: x}'),
      [
        "m.yaml:8: spec.predictor.model.storageUrl: unknown field: did you mean 'storageUri'?",
        "m.yaml:7: spec.predictor.model.modelFormat.nmae: unknown field: did you mean 'name'?",
        "m.yaml:9: spec.predictor.model.storage.keey: unknown field: did you mean 'key'?",
      ],
    ],
    [
      'no spec',
      `${v1beta1}\nkind: InferenceService\nmetadata: {name: iris}\n`,
      ['m.yaml:1: spec: is missing: expected object'],
    ],
    [
      'a slip at the top',
      service(onnxModel).replace('spec:', 'specs:'),
      ["m.yaml:4: specs: unknown field: did you mean 'spec'?", 'm.yaml:1: spec: is missing: expected object'],
    ],
    [
      'no name',
      `${v1beta1}\nkind: InferenceService\nmetadata: {}\nspec: {predictor: {}}\n`,
      ['m.yaml:3: metadata.name: is missing: expected string'],
    ],
    [
      'a kind that does not exist',
      `${v1beta1}\nkind: InferenceServce\nmetadata: {name: x}\n`,
      ["m.yaml:2: kind: there is no kind 'InferenceServce': did you mean 'InferenceService'?"],
    ],
    [
      'an old version',
      'apiVersion: serving.kserve.io/v1alpha2\nkind: InferenceService\nmetadata: {name: x}\n',
      [
        "m.yaml:1: apiVersion: InferenceService of 'serving.kserve.io/v1alpha2' is not understood, expected 'serving.kserve.io/v1beta1'",
      ],
    ],
    ['a file that is no manifest', 'hooks: ./hooks.js\n', ['m.yaml:1: is no manifest: it has no apiVersion and kind']],
    [
      'a name twice',
      `${service(onnxModel)}---\n${service(onnxModel)}`,
      ["m.yaml:12: metadata.name: InferenceService 'iris' in namespace 'default' is there twice, see m.yaml:3"],
    ],
    [
      'a runtime',
      `${v1alpha1}\nkind: ServingRuntime\nmetadata: {name: x}\nspec:\n  supportedModelFormats:\n  - {name: onnx, prioritty: 1}\n  disabld: true\n`,
      [
        "m.yaml:7: spec.disabld: unknown field: did you mean 'disabled'?",
        "m.yaml:6: spec.supportedModelFormats[0].prioritty: unknown field: did you mean 'priority'?",
      ],
    ],
  ])('%s is told with file, line and field', async (_, text, lines) => {
    expect(await bench.mistakes(bench.read(text))).toEqual(lines)
  })

  it('in each of several files is told at once', async () => {
    const work = bench.read({ 'a.yaml': 'a: [', 'b.yaml': service('model: 1') })
    expect(await bench.mistakes(work)).toEqual([
      expect.stringMatching(/^a\.yaml:1: /),
      expect.stringMatching(/^b\.yaml:6: spec\.predictor\.model: /),
    ])
  })

  it('in a path names it', async () => {
    await expect(readManifests(['no-such.yaml'])).rejects.toThrow(/^manifest no-such\.yaml does not exist$/)
    const empty = await bench.write({ 'x.txt': '' })
    await expect(readManifests([empty])).rejects.toThrow(
      /holds no manifest: no file in it ends in \.yaml, \.yml or \.json$/,
    )
  })

  it('in a large file is told before it is read', async () => {
    const directory = await bench.write('x: 1')
    await writeFile(join(directory, 'm.yaml'), ' '.repeat(8_000_001))
    expect(await bench.mistakes(readManifests([directory]))).toEqual([
      expect.stringMatching(/m\.yaml:1: is 8000001 bytes long/),
    ])
  })
})

describe('a secret', () => {
  it('is in no text of what was read', async () => {
    const read = await bench.read(secret)
    expect(read.secrets).toHaveLength(1)
    for (const text of [
      JSON.stringify(read),
      inspect(read, { depth: 20 }),
      String(read.secrets[0]?.spec.values.get('minio')),
    ]) {
      expect(text).not.toMatch(/hunter|aHVudGVy/)
    }
  })

  it.each([
    ['stringData: {key: [hunter2]}', 'm.yaml:4: stringData.key: expected string, received array'],
    ['data: hunter2', 'm.yaml:4: data: expected record, received string'],
    ['data: {hunter: 12345}', 'm.yaml:4: data.hunter: expected string, received number: put it in quotes'],
  ])('that is wrong (%s) is not told', async (line, message) => {
    const text = `apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n${line}\n`
    const told = await bench.mistakes(bench.read(text))
    expect(told).toEqual([message])
    expect(told.join()).not.toMatch(/hunter2|12345/)
  })
})
