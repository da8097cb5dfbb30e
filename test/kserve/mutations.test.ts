/** Manifests with anything anywhere: every mistake is told with its line, none ends in another error. */
import { afterAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { InferenceError } from '../../src/core/errors.ts'
import { integer, pick, seeded, type Random } from '../codec/random.ts'
import { ManifestBench } from './support.ts'

const bench = new ManifestBench()
afterAll(() => bench.close())

const whole = {
  apiVersion: 'serving.kserve.io/v1beta1',
  kind: 'InferenceService',
  metadata: {
    name: 'iris',
    namespace: 'team',
    labels: { a: 'b' },
    annotations: { c: 'd' },
    creationTimestamp: '2026-01-01',
  },
  spec: {
    predictor: {
      minReplicas: 1,
      maxReplicas: 3,
      timeout: 60,
      batcher: { maxBatchSize: 8, maxLatency: 10 },
      logger: { mode: 'all', url: 'http://sink', metadataHeaders: ['x-a'], metadataAnnotations: ['c'] },
      serviceAccountName: 'sa',
      model: {
        modelFormat: { name: 'onnx', version: '1' },
        protocolVersion: 'v2',
        storageUri: 'file:///m',
        args: ['--model_name=x'],
        env: [{ name: 'A', value: 'b' }],
        resources: { limits: { cpu: '1' } },
      },
    },
    transformer: {
      minReplicas: 0,
      containerConcurrency: 2,
      containers: [
        { name: 'transformer-container', image: 'x', command: ['python'], env: [{ name: 'A', value: 'b' }] },
      ],
    },
    explainer: { timeout: 5, servable: { url: 'http://explainer' }, logger: { mode: 'request', url: 'http://sink' } },
  },
}
const runtime = {
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'ServingRuntime',
  metadata: { name: 'own', namespace: 'team' },
  spec: {
    supportedModelFormats: [{ name: 'onnx', version: '1', autoSelect: true, priority: 2 }],
    protocolVersions: ['v2', 'grpc-v2'],
    containers: [{ name: 'kserve-container', image: 'x', args: ['--model_name={{.Name}}'], env: [{ name: 'A' }] }],
  },
}
const graph = {
  apiVersion: 'serving.kserve.io/v1alpha1',
  kind: 'InferenceGraph',
  metadata: { name: 'both', namespace: 'team', annotations: { 'servable/graph': '{mapping: auto}' } },
  spec: {
    nodes: { root: { routerType: 'Sequence', steps: [{ serviceName: 'iris', condition: 'a' }, { nodeName: 'root' }] } },
  },
}
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { a: 'b' } }

const strange = [
  null,
  true,
  0,
  -1,
  1.5,
  '',
  'x',
  '{{',
  'v3',
  [],
  [[]],
  {},
  { a: null },
  { name: 1 },
  '{{.X}}',
  'pvc://',
  '../..',
  2 ** 60,
]

/** Replaces, removes, adds or renames one thing somewhere. */
function mutate(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.1) return pick(random, strange)
  if (Array.isArray(value)) {
    if (value.length === 0 || random() < 0.2) return [...(value as unknown[]), pick(random, strange)]
    const index = integer(random, value.length)
    return value.map((item: unknown, at) => (at === index ? mutate(item, random) : item))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || random() < 0.1)
    return { ...value, [JSON.stringify(pick(random, strange))]: pick(random, strange) }
  const [key] = pick(random, entries)
  if (random() < 0.1) return Object.fromEntries(entries.filter(([each]) => each !== key))
  if (random() < 0.1) return Object.fromEntries(entries.map(([each, item]) => [each === key ? `${each}x` : each, item]))
  return Object.fromEntries(entries.map(([each, item]) => [each, each === key ? mutate(item, random) : item]))
}

describe('mutated manifests', () => {
  it.each([1, 2, 3, 4])('are planned or refused with file and line (seed %d)', async (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 100; round += 1) {
      let documents: readonly unknown[] = [whole, runtime, graph, secret]
      for (let change = 0; change <= round % 4; change += 1) {
        const index = integer(random, documents.length)
        documents = documents.map((each, at) => (at === index ? mutate(each, random) : each))
      }
      const text = documents.map((each) => stringify(each, { aliasDuplicateObjects: false })).join('---\n')
      try {
        await bench.plan(text)
      } catch (reason) {
        expect(reason, text).toBeInstanceOf(InferenceError)
        const lines = reason instanceof InferenceError ? bench.plain(reason.message.split('\n')) : []
        for (const line of lines) expect(line, text).toMatch(/^(m\.yaml:\d+: .|and \d+ more errors$)/s)
      }
    }
  })
})
