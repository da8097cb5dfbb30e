/** Transformers, explainers, loggers, limits and idle times of InferenceServices, as a plan. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { PlanOptions } from '../../src/kserve/index.ts'
import { durationSeconds } from '../../src/kserve/idle.ts'
import { ManifestBench, onnxModel, service } from './support.ts'

const bench = new ManifestBench()
afterAll(() => bench.close())

const formats = ['onnx']
const plain = service(onnxModel)
const planned = async (text: string, options: Partial<PlanOptions> = {}) => {
  const { services, models, warnings } = await bench.plan(text, { formats, ...options })
  const [one] = services
  const [model] = models
  if (one === undefined || model === undefined) throw new Error('no service')
  return { service: one, model, warnings: bench.plain(warnings) }
}
const mistakes = (text: string, options: Partial<PlanOptions> = {}) =>
  bench.mistakes(bench.plan(text, { formats, ...options }))

describe('a transformer', () => {
  it.each([
    ['a block', `${plain}  transformer: {servable: {module: ./t.mjs}}\n`],
    [
      'an annotation',
      `${service(onnxModel, 'iris', ', annotations: {servable/transformer: t.mjs}')}  transformer: {}\n`,
    ],
  ])('is a module by %s', async (_, text) => {
    const { model, service: planned_ } = await planned(text)
    expect(model.hooks).toEqual([
      {
        role: 'transformer',
        path: expect.stringMatching(/\/t\.mjs$/) as string,
        root: expect.not.stringMatching(/t\.mjs$/) as string,
        place: expect.stringMatching(/m\.yaml:9$/) as string,
      },
    ])
    expect(planned_.components).toEqual([])
  })

  it('is a URL, image and all', async () => {
    const block = '{containers: [{image: mine:1}], servable: {url: "http://other:8080/"}}'
    const { service: planned_, warnings } = await planned(`${plain}  transformer: ${block}\n`)
    expect(planned_.components).toEqual([
      {
        role: 'transformer',
        way: { kind: 'url', url: 'http://other:8080/' },
        place: expect.stringMatching(/m\.yaml:9$/) as string,
      },
    ])
    expect(warnings).toEqual([])
  })

  it('is a command where the user allows it, and is refused with the way out where not', async () => {
    const container = '{image: "mine:1", command: [python, t.py], args: [--a=1], env: [{name: A, value: b}, {name: S}]}'
    const text = `${plain}  transformer: {minReplicas: 0, containers: [${container}]}\n`
    expect(await mistakes(text)).toEqual([
      'm.yaml:9: spec.transformer.containers[0].command: is not run unless the server is started with --allow-commands; or write its work as a module or a URL (servable: {url: http://…})',
    ])
    const { service: planned_, warnings } = await planned(text, { allowCommands: true })
    expect(planned_.components).toMatchObject([
      { idleSeconds: 60, way: { kind: 'command', command: ['python', 't.py'], args: ['--a=1'], env: { A: 'b' } } },
    ])
    expect(warnings).toEqual([
      "m.yaml:9: spec.transformer.containers[0]: the command is run on this machine, not in the image 'mine:1'",
      'm.yaml:9: spec.transformer.containers[0]: only a cluster can fill in env S',
    ])
  })

  it.each([
    ['{servable: {module: t.py}}', 'is neither a module (a file that ends in .js, .mjs or .cjs) nor a URL'],
    ['{servable: {url: "ftp://x/t.js"}}', 'is neither a module'],
    ['{servable: {url: "http://x", module: t.mjs}}', 'has 2 places that say where its work is done: give one of them'],
    ['{servable: {modul: t.mjs}}', 'Unrecognized key: "modul"'],
    ['[]', 'expected object'],
    ['{containers: [{command: python}]}', 'expected array'],
    ['{timeout: soon}', 'expected number'],
    ['{contaners: []}', "did you mean 'containers'?"],
  ])('%s is refused', async (block, message) => {
    const told = await mistakes(`${plain}  transformer: ${block}\n`)
    expect(told[0]).toMatch(/^m\.yaml:9: spec\.transformer/)
    expect(told.join('\n')).toContain(message)
  })
})

it('what a component asks in vain is told by name', async () => {
  const fields =
    'minReplicas: 2, maxReplicas: 4, batcher: {maxBatchSize: 4}, nodeSelector: {a: b}, servable: {module: t.mjs}'
  const containers = 'containers: [{image: a, resources: {}, ports: []}, {image: b}]'
  const { warnings } = await planned(`${plain}  transformer: {${fields}, ${containers}}\n`)
  expect(warnings).toEqual([
    'm.yaml:9: spec.transformer: only a cluster can honour minReplicas, maxReplicas, batcher, nodeSelector',
    'm.yaml:9: spec.transformer.containers[1]: is not started: only one container of a component is looked at',
    'm.yaml:9: spec.transformer.containers[0]: meant for a container, without effect here: resources, ports',
  ])
})

describe('limits', () => {
  it('come by component, and 0 is none', async () => {
    const text = `${service(`timeout: 30\ncontainerConcurrency: 4\n${onnxModel}`)}  transformer: {timeout: 5, containerConcurrency: 0, servable: {module: t.mjs}}\n`
    expect((await planned(text)).service.limits).toEqual({
      predictor: { timeoutSeconds: 30, concurrency: 4 },
      transformer: { timeoutSeconds: 5 },
    })
    expect((await planned(service(`timeout: 0\n${onnxModel}`))).service.limits).toEqual({})
  })

  it('hand the share of a canary on', async () => {
    expect((await planned(service(`canaryTrafficPercent: 20\n${onnxModel}`))).service.canaryTrafficPercent).toBe(20)
  })
})

describe('scale to zero', () => {
  it.each([
    ['', 60],
    ['autoscaling.knative.dev/scale-to-zero-pod-retention-period: 1m30s', 150],
    ['autoscaling.knative.dev/window: 10s', 10],
    ['autoscaling.knative.dev/window: "0"', 1],
  ])('of minReplicas 0 with annotation "%s" after %d s', async (annotation, seconds) => {
    const metadata = `, annotations: {${annotation}}`
    expect((await planned(service(`minReplicas: 0\n${onnxModel}`, 'iris', metadata))).model.idleSeconds).toBe(seconds)
    expect((await planned(service(onnxModel, 'iris', metadata))).model.idleSeconds).toBeUndefined()
  })

  it('refuses what is no duration', async () => {
    const metadata = ', annotations: {autoscaling.knative.dev/window: soon}'
    expect(await mistakes(service(`minReplicas: 0\n${onnxModel}`, 'iris', metadata))).toEqual([
      'm.yaml:3: metadata.annotations.autoscaling.knative.dev/window: is no duration: write it as 30s or 1m30s',
    ])
  })

  it.each([
    ['1h0.5m', 3630],
    ['250ms', 0.25],
    ['0', 0],
    ['', undefined],
    ['5', undefined],
    ['-5s', undefined],
    ['5 s', undefined],
  ])('reads %j as %s seconds', (text, seconds) => {
    expect(durationSeconds(text)).toBe(seconds)
  })
})

describe('a logger', () => {
  it('is planned with what goes along', async () => {
    const fields = 'mode: request, url: "http://sink/", metadataHeaders: [x-a], metadataAnnotations: [team, none]'
    const text = service(`logger: {${fields}}\n${onnxModel}`, 'iris', ', annotations: {team: blue}')
    expect((await planned(text)).service.loggers).toEqual({
      predictor: { mode: 'request', url: 'http://sink/', metadataHeaders: ['x-a'], annotations: { team: 'blue' } },
    })
    const open = await planned(service(`logger: {mode: all}\n${onnxModel}`), { hasPayloadSink: true })
    expect(open.service.loggers.predictor).toEqual({ mode: 'all', metadataHeaders: [], annotations: {} })
  })

  it.each([
    [
      '{mode: all}',
      'spec.predictor.logger: url is missing: give it as url: http://…, or one for all by --payload-log-url',
    ],
    ['{url: "http://s"}', 'spec.predictor.logger.mode: expected one of "all"|"request"|"response"'],
    ['{mode: some, url: "http://s"}', 'spec.predictor.logger.mode: expected one of "all"|"request"|"response"'],
    [
      '{mode: all, url: "s3://b"}',
      'spec.predictor.logger.url: is no URL of a sink: it must begin with http:// or https://',
    ],
    [
      '{mode: all, storage: {path: x}}',
      'spec.predictor.logger.storage: requests are sent to an HTTP sink only: give url: http://…',
    ],
  ])('%s is refused', async (logger, message) => {
    expect(await mistakes(service(`logger: ${logger}\n${onnxModel}`))).toEqual([`m.yaml:6: ${message}`])
  })
})

it('places modules from the directory of the manifest', async () => {
  const directory = await bench.write({ 'a/m.yaml': `${plain}  transformer: {servable: {module: ../t.mjs}}\n` })
  const { readManifests, plan } = await import('../../src/kserve/index.ts')
  const { models } = plan(await readManifests([directory]), { formats })
  expect(models[0]?.hooks?.[0]).toMatchObject({ path: join(directory, 't.mjs'), root: join(directory, 'a') })
})
