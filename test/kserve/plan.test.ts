/** What a server makes of manifests, and what it refuses or warns of, by name. */
import { afterAll, describe, expect, it } from 'vitest'
import { ManifestBench, onnxModel, service, v1alpha1 } from './support.ts'

const bench = new ManifestBench()
afterAll(() => bench.close())

const warningsOf = async (text: string) => bench.plain((await bench.plan(text)).warnings)

function runtimeManifest(container: string, more = '', kind = 'ClusterServingRuntime'): string {
  return `${v1alpha1}
kind: ${kind}
metadata: {name: own}
spec:
  supportedModelFormats: [{name: onnx, autoSelect: true}]
  protocolVersions: [v2, v1]
${more}  containers:
    - ${container}
`
}

describe('an InferenceService', () => {
  it('becomes a model and a service', async () => {
    expect(await bench.plan(service(onnxModel))).toEqual({
      models: [
        { name: 'iris', path: '/models/iris', format: 'onnx', place: expect.stringMatching(/m\.yaml:8$/) as string },
      ],
      services: [
        {
          name: 'iris',
          namespace: 'default',
          model: 'iris',
          protocol: 'v1',
          runtime: 'servable',
          components: [],
          limits: {},
          loggers: {},
        },
      ],
      graphs: [],
      warnings: [],
    })
  })

  it.each([
    ['onnx: {storageUri: file:///m}', 'v2'],
    ['triton: {storageUri: file:///m}', 'v2'],
    ['onnx: {storageUri: file:///m, protocolVersion: v1}', 'v1'],
    ['model: {modelFormat: {name: onnx}, storageUri: file:///m}', 'v1'],
    ['model: {modelFormat: {name: onnx, version: "1"}, protocolVersion: grpc-v2, storageUri: file:///m}', 'v2'],
    ['model: {modelFormat: {name: triton}, storageUri: file:///m}', 'v2'],
    ['model: {modelFormat: {name: onnx}, runtime: kserve-tritonserver, storageUri: file:///m}', 'v2'],
  ])('%s is called by graphs over %s', async (predictor, protocol) => {
    const { services, models } = await bench.plan(service(predictor))
    expect(services).toEqual([expect.objectContaining({ model: 'iris', protocol })])
    expect(models).toEqual([expect.objectContaining({ path: '/m' })])
  })

  it.each(['sklearn', 'xgboost', 'lightgbm', 'tensorflow', 'pytorch', 'pmml', 'paddle', 'mlflow', 'huggingface'])(
    'of the legacy field %s needs a runtime of that format',
    async (field) => {
      const text = service(`${field}:\n  storageUri: file:///m`)
      const { models } = await bench.plan(text, { formats: [field] })
      expect(models).toEqual([expect.objectContaining({ format: field, path: '/m' })])
      expect(await bench.mistakes(bench.plan(text))).toEqual([
        expect.stringMatching(
          new RegExp(`^m\\.yaml:6: spec\\.predictor\\.${field}: .*format ${field}.*formats served: onnx$`),
        ),
      ])
    },
  )

  it('of Triton may hold any format', async () => {
    const { models } = await bench.plan(service('triton: {storageUri: file:///m}'))
    expect(models[0]).not.toHaveProperty('format')
  })

  it('takes its files from a claim, or from the one entry of storageUris', async () => {
    const claims = new Map([['disk', '/volumes/disk']])
    const options = { formats: ['onnx'], claims }
    const claimed = await bench.plan(service('onnx: {storageUri: pvc://disk/iris}'), options)
    expect(claimed.models[0]?.path).toBe('/volumes/disk/iris')
    const listed = await bench.plan(service('storageUris: [{uri: /m}]\nonnx: {}'))
    expect(listed.models[0]?.path).toBe('/m')
  })

  it('has its name from the arguments of its container', async () => {
    const named = (args: string) => bench.plan(service(`onnx: {storageUri: /m, args: ${args}}`))
    expect((await named('[--model_name=flowers]')).services[0]).toMatchObject({ name: 'iris', model: 'flowers' })
    expect((await named('[--model_name, flowers]')).models[0]?.name).toBe('flowers')
    const container = 'name: kserve-container\n      image: x\n      args: ["--model_name={{.Name}}-{{.Namespace}}"]'
    const filled = await bench.plan(`${runtimeManifest(container)}---\n${service(onnxModel)}`)
    expect(filled.services[0]).toMatchObject({ model: 'iris-default', protocol: 'v2', runtime: 'own' })
  })

  it('has sessions for its replicas, and a queue for its batcher', async () => {
    const { models } = await bench.plan(
      service(`minReplicas: 3\nbatcher: {maxBatchSize: 16, maxLatency: 20}\n${onnxModel}`),
    )
    expect(models[0]).toMatchObject({ instances: 3, scheduling: { preferredBatchSizes: [16], maxQueueDelayMs: 20 } })
    const alone = await bench.plan(service(`maxReplicas: 1\nbatcher: {maxBatchSize: 16}\n${onnxModel}`))
    expect(alone.models[0]).toMatchObject({ instances: 1, scheduling: { preferredBatchSizes: [16] } })
    expect(alone.models[0]?.scheduling).not.toHaveProperty('maxQueueDelayMs')
  })

  it('that is stopped is left out', async () => {
    const planned = await bench.plan(service(onnxModel, 'iris', ', annotations: {serving.kserve.io/stop: "true"}'))
    expect(planned.models).toEqual([])
    expect(bench.plain(planned.warnings)).toEqual([
      "m.yaml:3: metadata.annotations.serving.kserve.io/stop: InferenceService 'iris' is stopped, it is not served",
    ])
  })
})

describe('what is refused', () => {
  it.each([
    [
      '',
      ['m.yaml:5: spec.predictor: has no model: give one as model: {modelFormat: {name: onnx}, storageUri: file://…}'],
      '{}',
    ],
    [
      `onnx: {storageUri: /m}\n${onnxModel}`,
      ['m.yaml:5: spec.predictor: has model and onnx: exactly one of them must be there'],
    ],
    [
      'onnx: {}',
      [
        'm.yaml:6: spec.predictor.onnx: storageUri is missing: say where the model lies, as storageUri: file:///models/iris',
      ],
    ],
    [
      'onnx: {storageUri: /m, storage: {key: x}}',
      ['m.yaml:6: spec.predictor.onnx: has storageUri and storage: exactly one of them must be there'],
    ],
    [
      'onnx: {storage: {key: minio, path: iris}}',
      [
        "m.yaml:6: spec.predictor.onnx.storage: specified storage key 'minio' not found in the storage secret (it has no entries); name one as key, or give parameters.type and bucket",
      ],
    ],
    [
      'onnx: {storageUri: "hdfs://bucket/iris"}',
      [
        'm.yaml:6: spec.predictor.onnx.storageUri: hdfs:// is not fetched; download the model and give its place as file:///models/…',
      ],
    ],
    [
      'storageUris: [{uri: /a}, {uri: /b}]\nonnx: {}',
      ['m.yaml:6: spec.predictor.storageUris: only one URI, mounted at /mnt/models, is understood'],
    ],
    [
      'containers: [{image: mine:1}]',
      [
        "m.yaml:6: spec.predictor.containers: a container of the image 'mine:1' would answer, and Servable runs none: give the model as model: {modelFormat: {name: onnx}, storageUri: file://…}",
      ],
    ],
    [
      'onnx: {storageUri: /m, confidential: {enabled: true}}',
      ['m.yaml:6: spec.predictor.onnx.confidential: encrypted models cannot be read: give the plain files'],
    ],
    [
      'model: {modelFormat: {name: sklearn}, storageUri: /m}',
      [
        'm.yaml:6: spec.predictor.model.modelFormat.name: format sklearn cannot be served in process: a Python pickle runs Python code when it is read; export the model to ONNX (skl2onnx); formats served: onnx',
      ],
    ],
    [
      'model: {modelFormat: {name: onnx}, runtime: kserve-tritonservr, storageUri: /m}',
      [
        "m.yaml:6: spec.predictor.model.runtime: Waiting for runtime to become available: there is no 'kserve-tritonservr': there are none",
      ],
    ],
    [
      'model: {modelFormat: {name: onnx, version: "99"}, storageUri: /m}',
      [
        expect.stringMatching(
          /^m\.yaml:6: spec\.predictor\.model\.modelFormat\.name: No runtime found to support specified framework\/version: onnx:99/,
        ),
      ],
    ],
  ] as const)('%j', async (predictor, lines, whole?: string) => {
    const text =
      whole === undefined ? service(predictor) : service('x').replace(/predictor:\n.*\n/, `predictor: ${whole}\n`)
    expect(await bench.mistakes(bench.plan(text))).toEqual(lines)
  })

  it('replicas and model names that cannot be', async () => {
    const text = service('minReplicas: 3\nmaxReplicas: 2\nonnx: {storageUri: /m, args: ["--model_name=a/b"]}')
    expect(await bench.mistakes(bench.plan(text))).toEqual([
      "m.yaml:8: spec.predictor.onnx: a model cannot be named 'a/b': no slash, backslash, colon or control character",
      'm.yaml:7: spec.predictor.maxReplicas: MaxReplicas cannot be less than MinReplicas.',
    ])
  })

  it('a transformer and an explainer, by their images', async () => {
    const text = `${service(onnxModel)}  transformer: {containers: [{image: mine:1}]}\n  explainer: {art: {type: x}}\n`
    expect(await bench.mistakes(bench.plan(text))).toEqual([
      "m.yaml:9: spec.transformer: the image 'mine:1' is not started: Servable runs no containers; write its work as a module (servable: {module: ./name.mjs}), a URL (servable: {url: http://…}) or a command of its container, or leave it out",
      'm.yaml:10: spec.explainer: it names no work; write its work as a module (servable: {module: ./name.mjs}), a URL (servable: {url: http://…}) or a command of its container, or leave it out',
    ])
  })

  it('names that no cluster takes, and names that are taken', async () => {
    const text = [
      service(onnxModel, 'Iris_1'),
      service(onnxModel, 'one'),
      service(onnxModel, 'one', ', namespace: team'),
      service('onnx: {storageUri: /m, args: [--model_name=one]}', 'two'),
    ].join('---\n')
    expect(await bench.mistakes(bench.plan(text))).toEqual([
      expect.stringMatching(/^m\.yaml:3: metadata\.name: the InferenceService "Iris_1" is invalid/),
      expect.stringMatching(/^m\.yaml:21: the model 'one' is there twice/),
      expect.stringMatching(/^m\.yaml:30: the model 'one' is there twice/),
      expect.stringMatching(
        /^m\.yaml:21: metadata\.name: InferenceService 'one' is in the namespaces 'default' \(m\.yaml:12\) and 'team'/,
      ),
    ])
  })

  it('a template that cannot be filled in', async () => {
    const container = 'name: kserve-container\n      image: x\n      args: ["{{if .Name}}x{{end}}"]'
    expect(await bench.mistakes(bench.plan(`${runtimeManifest(container)}---\n${service(onnxModel)}`))).toEqual([
      expect.stringMatching(
        /spec\.predictor\.model: the template of ClusterServingRuntime 'own' cannot be filled in: \{\{if \.Name\}\}/,
      ),
    ])
  })
})

describe('what is told', () => {
  it.each([
    [
      'canaryTrafficPercent: 20',
      'm.yaml:6: spec.predictor.canaryTrafficPercent: not honoured: all requests go to this revision: there is no earlier one',
    ],
    ['minReplicas: 65', 'm.yaml:6: spec.predictor.minReplicas: a model has at most 64 sessions in one server'],
    [
      '{maxReplicas: 4, scaleTarget: 1}',
      'm.yaml:6: spec.predictor.maxReplicas: not honoured: sessions do not follow the load (maxReplicas, scaleTarget)',
    ],
    [
      '{nodeSelector: {a: b}, tolerations: []}',
      'm.yaml:5: spec.predictor: only a cluster can honour nodeSelector, tolerations',
    ],
    ['batcher: {timeout: 5}', 'm.yaml:6: spec.predictor.batcher.timeout: has no effect, as in KServe'],
    ['serviceAccountName: sa', 'm.yaml:5: spec.predictor: only a cluster can honour serviceAccountName'],
  ])('%s', async (fields, warning) => {
    const lines = fields.startsWith('{') ? fields.slice(1, -1).replace(', ', '\n') : fields
    expect(await warningsOf(service(`${lines}\n${onnxModel}`))).toEqual([warning])
  })

  it('what was meant for a container, without values that may be secret', async () => {
    const fields =
      'env: [{name: TOKEN, value: hunter2}], args: [--nthread=4, --model_dir=/mnt], resources: {limits: {cpu: "1"}}, runtimeVersion: "1"'
    expect(await warningsOf(service(`onnx: {storageUri: /m, ${fields}}`))).toEqual([
      'm.yaml:6: spec.predictor.onnx: meant for a container, without effect here: --nthread, env TOKEN, resources, runtimeVersion',
    ])
  })

  it('that an image is not started', async () => {
    const container =
      'name: kserve-container\n      image: triton:23.05\n      args: [tritonserver, --model-store=/mnt, --http-port=8080]'
    const warnings = await warningsOf(`${runtimeManifest(container)}---\n${service(onnxModel)}`)
    expect(warnings).toEqual([
      "m.yaml:17: spec.predictor.model: ClusterServingRuntime 'own' would start the image 'triton:23.05': Servable's own onnx runtime takes its place, without --model-store",
    ])
  })

  it('that a template names what is not there', async () => {
    const container = 'name: kserve-container\n      image: "x:{{.Labels.tag}}"'
    const [first] = await warningsOf(`${runtimeManifest(container)}---\n${service(onnxModel)}`)
    expect(first).toMatch(/has a template with \.Labels\.tag, which InferenceService 'iris' lacks$/)
  })

  it("that none of the runtimes would be chosen, and KServe's own are meant by name", async () => {
    const disabled = runtimeManifest('name: kserve-container', '  disabled: true\n')
    expect(await warningsOf(`${disabled}---\n${service(onnxModel)}`)).toEqual([
      expect.stringMatching(
        /none of the runtimes in the manifests would be chosen, Servable's own is \(No runtime found .*'own' has onnx; protocols v2, v1; disabled\)$/,
      ),
    ])
    const named = service('model: {modelFormat: {name: onnx}, runtime: kserve-tritonserver, storageUri: /m}')
    expect(await warningsOf(named)).toEqual([
      "m.yaml:6: spec.predictor.model.runtime: 'kserve-tritonserver' is not in the manifests, KServe's own of that name is meant",
    ])
  })

  it('annotations that only a cluster honours', async () => {
    const text = service(onnxModel, 'iris', ', annotations: {serving.kserve.io/autoscalerClass: hpa, other/x: y}')
    expect(await warningsOf(text)).toEqual([
      'm.yaml:3: metadata.annotations: only a cluster can honour serving.kserve.io/autoscalerClass',
    ])
  })
})

describe('an InferenceGraph', () => {
  const graph = (spec: string, metadata = '') =>
    `${v1alpha1}\nkind: InferenceGraph\nmetadata: {name: pipeline${metadata}}\nspec:\n${spec}`
  const root = '  nodes:\n    root:\n      routerType: Sequence\n      steps:\n        - serviceName: iris\n'

  it('is planned with its place', async () => {
    const { graphs } = await bench.plan(graph(root, ', namespace: team'))
    expect(graphs).toHaveLength(1)
    const [planned] = graphs
    expect(planned).toMatchObject({
      name: 'pipeline',
      namespace: 'team',
      spec: { nodes: { root: { routerType: 'Sequence' } } },
    })
    expect(bench.plain([planned?.where(['nodes', 'root', 'steps', 0, 'serviceName']) ?? ''])).toEqual(['m.yaml:9'])
  })

  it('has its servable block from an annotation', async () => {
    const { graphs } = await bench.plan(graph(root, ', annotations: {servable/graph: "{mapping: auto}"}'))
    expect(graphs[0]?.servable).toEqual({ mapping: 'auto' })
    const wrong = graph(root, ', annotations: {servable/graph: "{mapping: [}"}')
    expect(await bench.mistakes(bench.plan(wrong))).toEqual([
      'm.yaml:3: metadata.annotations.servable/graph: is no YAML',
    ])
    const unknown = graph(root, ', annotations: {servable/graph: "{mapping: x}"}')
    expect(await bench.mistakes(bench.plan(unknown))).toEqual([
      expect.stringMatching(/^m\.yaml:3: servable\.mapping: /),
    ])
  })

  it('tells mistakes with their lines', async () => {
    const text = graph('  nodes:\n    root:\n      routerType: Sequnce\n      steps: []\n')
    expect(await bench.mistakes(bench.plan(text))).toEqual([
      expect.stringMatching(/^m\.yaml:7: .*did you mean 'Sequence'\?$/),
      expect.stringMatching(/^m\.yaml:8: .*no steps$/),
    ])
    expect(await bench.mistakes(bench.plan(graph(root).replace('pipeline', 'Pipe_1')))).toEqual([
      expect.stringMatching(/^m\.yaml:3: metadata\.name: the InferenceGraph "Pipe_1" is invalid/),
    ])
  })

  it('cannot call a service of another namespace', async () => {
    const text = `${graph(root)}---\n${service(onnxModel, 'iris', ', namespace: team')}`
    expect(await bench.mistakes(bench.plan(text))).toEqual([
      "m.yaml:9: spec.nodes.root.steps[0].serviceName: InferenceService 'iris' is in namespace 'team', the graph in 'default'",
    ])
  })

  it('tells of addresses in the cluster of services that are here', async () => {
    const url = 'http://iris-predictor.default.svc.cluster.local/v1/models/iris:predict'
    const text = graph(root.replace('serviceName: iris', `serviceUrl: ${url}`))
    expect(await warningsOf(`${text}---\n${service(onnxModel)}`)).toEqual([
      "m.yaml:9: spec.nodes.root.steps[0].serviceUrl: is an address in the cluster; InferenceService 'iris' is served here: serviceName: iris",
    ])
    expect(await warningsOf(`${text}---\n${service(onnxModel, 'other')}`)).toEqual([])
  })

  it('cannot have the name of a model', async () => {
    expect(await bench.mistakes(bench.plan(`${graph(root)}---\n${service(onnxModel, 'pipeline')}`))).toEqual([
      "m.yaml:3: metadata.name: 'pipeline' is a model already (m.yaml:18): rename one of them",
    ])
  })

  it('tells what only a cluster can honour', async () => {
    expect(await warningsOf(graph(`${root}  minReplicas: 1\n  resources: {}\n`))).toEqual([
      'm.yaml:4: spec: only a cluster can honour minReplicas, resources',
    ])
  })
})
