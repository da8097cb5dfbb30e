/** The manifests of deploy/kserve: valid for a cluster, readable here, and their containers start as they say. */
import { cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { plan, readManifests } from '../../src/kserve/index.ts'
import { Bench, get, post } from '../e2e/cli-process.ts'
import { fixtures, root } from '../paths.ts'
import { mistakesIn, objects } from './crd-fields.ts'

const folder = join(root, 'deploy', 'kserve')
const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.yaml')).toSorted()
const formats = ['onnx', 'tensorflow', 'xgboost', 'lightgbm']

const container = z.looseObject({
  name: z.string(),
  args: z.array(z.string()),
  ports: z.array(z.object({ name: z.string(), containerPort: z.int(), protocol: z.string() })).optional(),
})
const runtime = z.looseObject({
  kind: z.string(),
  spec: z.looseObject({
    annotations: z.record(z.string(), z.string()).optional(),
    supportedModelFormats: z.array(z.looseObject({ name: z.string(), autoSelect: z.boolean() })),
    protocolVersions: z.array(z.string()),
    containers: z.tuple([container]),
  }),
})

async function documentsOf(file: string): Promise<readonly unknown[]> {
  const text = await readFile(join(folder, file), 'utf8')
  return parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })
}

async function runtimeOf(file: string) {
  const [first] = await documentsOf(file)
  return runtime.parse(first).spec
}

describe('the check of fields', () => {
  const objectOf = (spec: object) => ({
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: 'a' },
    spec,
  })
  const mistakes = (value: unknown) => mistakesIn(value, objects['InferenceService'] ?? 'string')

  it('finds unknown fields, wrong kinds of values and what is missing', () => {
    expect(mistakes(objectOf({ predictor: { model: { modelFormat: { name: 'onnx' } } } }))).toEqual([])
    expect(mistakes(objectOf({ predictor: { model: { storageURI: 'x' }, minReplicas: '1' } }))).toEqual([
      '.spec.predictor.model.modelFormat: missing',
      '.spec.predictor.model.storageURI: no such field',
      '.spec.predictor.minReplicas: no integer',
    ])
  })
})

describe.each(files)('deploy/kserve/%s', (file) => {
  it('has no field that the CRDs do not have', async () => {
    const documents = await documentsOf(file)
    expect(documents.length).toBeGreaterThan(0)
    for (const document of documents) {
      const { kind } = z.looseObject({ kind: z.string() }).parse(document)
      const fields = objects[kind]
      expect(fields, kind).toBeDefined()
      if (fields !== undefined) expect(mistakesIn(document, fields)).toEqual([])
    }
  })

  it('is read here without a complaint', async () => {
    const { warnings } = plan(await readManifests([join(folder, file)]), {
      formats,
      claims: new Map([['models', '/models']]),
    })
    expect(warnings.filter((warning) => !warning.includes("runtime 'servable'"))).toEqual([])
  })
})

describe('the runtimes', () => {
  it.each(['clusterservingruntime.yaml', 'clusterservingruntime-knative.yaml'])(
    '%s is what KServe expects',
    async (file) => {
      const { containers, annotations, supportedModelFormats } = await runtimeOf(file)
      const [{ name, args, ports }] = containers
      expect(name).toBe('kserve-container')
      expect(args).toEqual(expect.arrayContaining(['--model_name={{.Name}}', '--model_dir=/mnt/models']))
      expect(ports?.[0]?.containerPort).toBe(8080)
      expect(annotations).toEqual({ 'prometheus.kserve.io/path': '/metrics', 'prometheus.kserve.io/port': '8080' })
      expect(new Set(supportedModelFormats.map((format) => format.name))).toEqual(new Set(formats))
      const taken = supportedModelFormats.filter(({ autoSelect }) => autoSelect)
      expect(taken).toEqual([{ name: 'onnx', version: '1', autoSelect: true, priority: 2 }])
    },
  )

  it('has two ports in Standard mode, the second one HTTP/2, and one in Knative mode', async () => {
    const standard = await runtimeOf('clusterservingruntime.yaml')
    expect(standard.containers[0].ports?.map(({ name, containerPort }) => [name, containerPort])).toEqual([
      ['http1', 8080],
      ['h2c', 9000],
    ])
    expect(standard.protocolVersions).toEqual(['v1', 'v2', 'grpc-v2'])
    const knative = await runtimeOf('clusterservingruntime-knative.yaml')
    expect(knative.containers[0].ports).toHaveLength(1)
    expect(knative.protocolVersions).toEqual(['v1', 'v2'])
  })

  it('keeps to what ModelMesh reserves', async () => {
    const spec = z
      .looseObject({ builtInAdapter: z.looseObject({ serverType: z.string() }), grpcEndpoint: z.string() })
      .parse(await runtimeOf('servingruntime-modelmesh.yaml'))
    const { containers } = await runtimeOf('servingruntime-modelmesh.yaml')
    expect(containers[0].name).toBe(spec.builtInAdapter.serverType)
    expect(spec.grpcEndpoint).toBe('port:8085')
    expect(containers[0]).not.toHaveProperty('readinessProbe')
    expect(containers[0]).not.toHaveProperty('lifecycle')
    expect(containers[0].args[0]).not.toMatch(/8080|8085|80[89]\d/)
  })
})

describe('all of it', () => {
  it('is read as one directory', async () => {
    const claims = new Map([['models', '/models']])
    const { services } = plan(await readManifests([folder]), { formats, claims })
    expect(services.map(({ name }) => name).toSorted()).toEqual(formats.map((format) => `iris-${format}`).toSorted())
  })
})

describe('the examples', () => {
  it.each(formats)('%s chooses the runtime of the cluster', async (format) => {
    const paths = [join(folder, 'clusterservingruntime.yaml'), join(folder, 'examples', `${format}.yaml`)]
    const { models, services, warnings } = plan(await readManifests(paths), {
      formats,
      claims: new Map([['models', '/models']]),
    })
    expect(models).toEqual([expect.objectContaining({ path: `/models/iris-${format}`, format })])
    expect(services).toEqual([expect.objectContaining({ runtime: 'servable', protocol: 'v2' })])
    expect(warnings).toEqual([])
  })
})

describe('the containers', () => {
  const bench = new Bench()
  afterAll(() => bench.close())

  /** Their ports and folders are of a machine of their own. */
  const ports = (arg: string) => arg.replace(/^--(http|grpc)[_-]port=\d+$/, '--$1_port=0')

  it.each(['clusterservingruntime.yaml', 'clusterservingruntime-knative.yaml'])('%s serves a model', async (file) => {
    const { containers } = await runtimeOf(file)
    const args = containers[0].args.map(ports).map((arg) => {
      return arg.replace('/mnt/models', join(fixtures, 'models', 'iris-logreg')).replace('{{.Name}}', 'flowers')
    })
    const cli = bench.run(args)
    const url = await cli.started()
    const instances = [[6.3, 3.3, 6, 2.5]]
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
    expect(await post(`${url}/v1/models/flowers:predict`, { instances })).toMatchObject({ status: 200 })
    expect(await get(`${url}/metrics`)).toMatchObject({ status: 200 })
    cli.kill('SIGTERM')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
  })

  it("of ModelMesh starts empty, and loads and unloads what the adapter puts into Triton's layout", async () => {
    const { containers } = await runtimeOf('servingruntime-modelmesh.yaml')
    const models = join(await bench.directory(), '_triton_models')
    await mkdir(models)
    const words = (containers[0].args[0] ?? '').split(/\s+/)
    const args = words
      .slice(words.indexOf('serve'))
      .map(ports)
      .map((arg) => arg.replace('/models/_triton_models', models))
    const url = await bench.run(args).started()
    const from = join(fixtures, 'models', 'iris-logreg', 'model.onnx')
    await mkdir(join(models, 'iris__ksp-1', '1'), { recursive: true })
    await cp(from, join(models, 'iris__ksp-1', '1', 'model.onnx'))
    expect(await post(`${url}/v2/repository/models/iris__ksp-1/load`, {})).toMatchObject({ status: 200 })
    expect(await get(`${url}/v2/models/iris__ksp-1/ready`)).toMatchObject({ status: 200 })
    expect(await post(`${url}/v2/repository/models/iris__ksp-1/unload`, {})).toMatchObject({ status: 200 })
    expect(await get(`${url}/v2/models/iris__ksp-1/ready`)).not.toMatchObject({ status: 200 })
  })
})
