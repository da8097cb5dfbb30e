/** The fields of manifests that are read. What is not read is known by its name only, see `fields.ts`. */
import { z } from 'zod'

/** Longer texts are none of the fields below. */
const longestText = 65_536
const text = z.string().max(longestText)
const texts = z.record(z.string(), text)
const count = z.int().min(0).max(1_000_000)

export const protocols = ['v1', 'v2', 'grpc-v1', 'grpc-v2'] as const
export type Protocol = (typeof protocols)[number]
const protocol = z.enum(protocols)

export const metadata = z.looseObject({
  name: text,
  namespace: text.optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
  creationTimestamp: text.optional(),
})

/** The outside of every manifest. */
export const manifest = z.looseObject({ apiVersion: text, kind: text, metadata })

const variable = z.looseObject({ name: text, value: text.optional() })

export const container = z.looseObject({
  name: text.optional(),
  image: text.optional(),
  command: z.array(text).max(10_000).optional(),
  args: z.array(text).max(10_000).optional(),
  env: z.array(variable).max(10_000).optional(),
  resources: z.looseObject({}).optional(),
})

const storage = z.looseObject({
  key: text.optional(),
  path: text.optional(),
  schemaPath: text.optional(),
  /** Its name in older documents. */
  schemaUri: text.optional(),
  parameters: texts.optional(),
})

const implementation = z.looseObject({
  ...container.shape,
  storageUri: text.optional(),
  storage: storage.optional(),
  runtimeVersion: text.optional(),
  protocolVersion: protocol.optional(),
  confidential: z.unknown().optional(),
})

export const model = z.looseObject({
  ...implementation.shape,
  modelFormat: z.looseObject({ name: text.min(1), version: text.optional() }),
  runtime: text.optional(),
})

/** Fields of a predictor that name the format, as KServe had it before `model`. */
export const legacyFormats = [
  'sklearn',
  'xgboost',
  'lightgbm',
  'tensorflow',
  'onnx',
  'triton',
  'pytorch',
  'pmml',
  'paddle',
  'mlflow',
  'huggingface',
] as const
export type LegacyFormat = (typeof legacyFormats)[number]

const batcher = z.looseObject({
  maxBatchSize: z.int().min(1).max(1_000_000).optional(),
  /** Milliseconds. */
  maxLatency: z.int().min(0).max(60_000).optional(),
  timeout: count.optional(),
})

/** KServe's, of its agent. */
export const logger = z.looseObject({
  mode: z.enum(['all', 'request', 'response']),
  url: text.optional(),
  metadataHeaders: z.array(text).max(100).optional(),
  metadataAnnotations: z.array(text).max(100).optional(),
  storage: z.looseObject({}).optional(),
  marshallerUrl: text.optional(),
  batchSize: count.optional(),
  batchInterval: z.unknown().optional(),
})

/** What predictor, transformer and explainer have in common. */
const common = {
  minReplicas: count.optional(),
  maxReplicas: count.optional(),
  containerConcurrency: count.optional(),
  /** Seconds. */
  timeout: count.optional(),
  canaryTrafficPercent: z.int().min(0).max(100).optional(),
  logger: logger.optional(),
  batcher: batcher.optional(),
}

/** A transformer or an explainer. */
export const component = z.looseObject({
  ...common,
  containers: z.array(container).max(100).optional(),
  /** Where its work is done, for Servable: KServe knows no such field. */
  servable: z.strictObject({ module: text.optional(), url: text.optional() }).optional(),
})

export const predictor = z.looseObject({
  model: model.optional(),
  ...legacyShape(),
  containers: z.array(container).max(100).optional(),
  initContainers: z.array(container).max(100).optional(),
  workerSpec: z.looseObject({}).optional(),
  serviceAccountName: text.optional(),
  storageUris: z
    .array(z.looseObject({ uri: text, mountPath: text.optional() }))
    .max(1000)
    .optional(),
  ...common,
})

function legacyShape() {
  const shape = implementation.optional()
  return {
    sklearn: shape,
    xgboost: shape,
    lightgbm: shape,
    tensorflow: shape,
    onnx: shape,
    triton: shape,
    pytorch: shape,
    pmml: shape,
    paddle: shape,
    mlflow: shape,
    huggingface: shape,
  }
}

export const inferenceService = z.looseObject({
  predictor,
  transformer: component.optional(),
  explainer: component.optional(),
  canary: z.array(z.looseObject({})).optional(),
})

export const servingRuntime = z.looseObject({
  supportedModelFormats: z
    .array(
      z.looseObject({
        name: text.min(1),
        version: text.optional(),
        autoSelect: z.boolean().optional(),
        priority: z.int().min(1).optional(),
      }),
    )
    .max(1000)
    .optional(),
  multiModel: z.boolean().optional(),
  disabled: z.boolean().optional(),
  protocolVersions: z.array(protocol).max(10).optional(),
  workerSpec: z.looseObject({}).optional(),
  containers: z.array(container).max(100).optional(),
  initContainers: z.array(container).max(100).optional(),
})

export const secret = z.looseObject({
  type: text.optional(),
  /** Base64. */
  data: z.record(z.string(), z.string().max(1_048_576)).optional(),
  stringData: z.record(z.string(), z.string().max(1_048_576)).optional(),
})

export const serviceAccount = z.looseObject({
  secrets: z
    .array(z.looseObject({ name: text.optional() }))
    .max(1000)
    .optional(),
})

export type Container = z.infer<typeof container>
export type Component = z.infer<typeof component>
export type Implementation = z.infer<typeof implementation>
export type Predictor = z.infer<typeof predictor>
export type InferenceServiceSpec = z.infer<typeof inferenceService>
export type ServingRuntimeSpec = z.infer<typeof servingRuntime>
export type Storage = z.infer<typeof storage>
