/** The fields of KServe's and Kubernetes' objects that the manifests of deploy/ may use, and a check against them. */

/** What stands in a field: one kind of value, a list of them, or an object with fields of its own. */
export type Field = 'string' | 'integer' | 'boolean' | 'quantities' | 'texts' | readonly [Field] | Fields | Choice

export interface Choice {
  readonly oneOf: readonly string[]
}

export interface Fields {
  readonly fields: Readonly<Record<string, Field>>
  readonly required?: readonly string[]
}

const probe: Fields = {
  fields: {
    httpGet: { fields: { path: 'string', port: 'integer', host: 'string', scheme: 'string' }, required: ['port'] },
    tcpSocket: { fields: { port: 'integer' }, required: ['port'] },
    initialDelaySeconds: 'integer',
    periodSeconds: 'integer',
    timeoutSeconds: 'integer',
    successThreshold: 'integer',
    failureThreshold: 'integer',
  },
}

const resources: Fields = { fields: { requests: 'quantities', limits: 'quantities' } }
const variables: readonly [Field] = [{ fields: { name: 'string', value: 'string' }, required: ['name'] }]

/** Kubernetes' Container, core/v1. */
const containerFields: Readonly<Record<string, Field>> = {
  name: 'string',
  image: 'string',
  command: ['string'],
  args: ['string'],
  workingDir: 'string',
  env: variables,
  ports: [
    {
      fields: {
        name: 'string',
        containerPort: 'integer',
        protocol: { oneOf: ['TCP', 'UDP', 'SCTP'] },
        hostPort: 'integer',
      },
      required: ['containerPort'],
    },
  ],
  resources,
  readinessProbe: probe,
  livenessProbe: probe,
  startupProbe: probe,
  imagePullPolicy: { oneOf: ['Always', 'IfNotPresent', 'Never'] },
  terminationMessagePath: 'string',
  terminationMessagePolicy: { oneOf: ['File', 'FallbackToLogsOnError'] },
  volumeMounts: [{ fields: { name: 'string', mountPath: 'string' }, required: ['name', 'mountPath'] }],
  securityContext: {
    fields: {
      runAsNonRoot: 'boolean',
      runAsUser: 'integer',
      runAsGroup: 'integer',
      allowPrivilegeEscalation: 'boolean',
      privileged: 'boolean',
      readOnlyRootFilesystem: 'boolean',
      capabilities: { fields: { add: ['string'], drop: ['string'] } },
    },
  },
}

const protocol: Choice = { oneOf: ['v1', 'v2', 'grpc-v1', 'grpc-v2'] }
const metadata: Fields = {
  fields: { name: 'string', namespace: 'string', labels: 'texts', annotations: 'texts' },
  required: ['name'],
}

/** ServingRuntimeSpec, serving.kserve.io/v1alpha1. */
const servingRuntimeSpec: Fields = {
  fields: {
    supportedModelFormats: [
      {
        fields: { name: 'string', version: 'string', autoSelect: 'boolean', priority: 'integer' },
        required: ['name'],
      },
    ],
    multiModel: 'boolean',
    disabled: 'boolean',
    protocolVersions: [protocol],
    annotations: 'texts',
    labels: 'texts',
    nodeSelector: 'texts',
    containers: [{ fields: containerFields, required: ['name'] }],
    grpcEndpoint: 'string',
    grpcDataEndpoint: 'string',
    httpDataEndpoint: 'string',
    replicas: 'integer',
    storageHelper: { fields: { disabled: 'boolean' } },
    builtInAdapter: {
      fields: {
        serverType: { oneOf: ['triton', 'mlserver', 'ovms', 'torchserve'] },
        runtimeManagementPort: 'integer',
        memBufferBytes: 'integer',
        modelLoadingTimeoutMillis: 'integer',
        env: variables,
      },
    },
  },
  required: ['containers'],
}

/** InferenceServiceSpec, serving.kserve.io/v1beta1, with a predictor alone. */
const inferenceServiceSpec: Fields = {
  fields: {
    predictor: {
      fields: {
        model: {
          fields: {
            ...containerFields,
            modelFormat: { fields: { name: 'string', version: 'string' }, required: ['name'] },
            runtime: 'string',
            runtimeVersion: 'string',
            protocolVersion: protocol,
            storageUri: 'string',
            storage: { fields: { key: 'string', path: 'string', schemaPath: 'string', parameters: 'texts' } },
          },
          required: ['modelFormat'],
        },
        minReplicas: 'integer',
        maxReplicas: 'integer',
        scaleTarget: 'integer',
        scaleMetric: { oneOf: ['cpu', 'memory', 'concurrency', 'rps'] },
        containerConcurrency: 'integer',
        timeout: 'integer',
        canaryTrafficPercent: 'integer',
        serviceAccountName: 'string',
      },
    },
  },
  required: ['predictor'],
}

/** What a file of deploy/ may be, by its kind. */
export const objects: Readonly<Record<string, Fields>> = {
  ClusterServingRuntime: objectOf('serving.kserve.io/v1alpha1', servingRuntimeSpec),
  ServingRuntime: objectOf('serving.kserve.io/v1alpha1', servingRuntimeSpec),
  InferenceService: objectOf('serving.kserve.io/v1beta1', inferenceServiceSpec),
}

function objectOf(apiVersion: string, spec: Fields): Fields {
  return {
    fields: { apiVersion: { oneOf: [apiVersion] }, kind: 'string', metadata, spec },
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
  }
}

const quantity = /^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/

/** @returns what is wrong, one line each, with its place */
export function mistakesIn(value: unknown, field: Field, place = ''): readonly string[] {
  if (typeof field === 'string') return isOf(value, field) ? [] : [`${place}: no ${field}`]
  if (isList(field)) {
    if (!Array.isArray(value)) return [`${place}: no list`]
    return value.flatMap((each, index) => mistakesIn(each, field[0], `${place}[${index}]`))
  }
  if ('oneOf' in field) {
    return typeof value === 'string' && field.oneOf.includes(value)
      ? []
      : [`${place}: none of ${field.oneOf.join(', ')}`]
  }
  if (!isObject(value)) return [`${place}: no object`]
  const missing = (field.required ?? []).filter((name) => value[name] === undefined)
  return [
    ...missing.map((name) => `${place}.${name}: missing`),
    ...Object.entries(value).flatMap(([name, inner]) => {
      const known = field.fields[name]
      return known === undefined ? [`${place}.${name}: no such field`] : mistakesIn(inner, known, `${place}.${name}`)
    }),
  ]
}

function isOf(value: unknown, kind: 'string' | 'integer' | 'boolean' | 'quantities' | 'texts'): boolean {
  switch (kind) {
    case 'string':
      return typeof value === 'string'
    case 'integer':
      return Number.isInteger(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'quantities':
      return isObject(value) && Object.values(value).every((each) => quantity.test(String(each)))
    case 'texts':
      return isObject(value) && Object.values(value).every((each) => typeof each === 'string')
  }
}

function isList(field: Exclude<Field, string>): field is readonly [Field] {
  return Array.isArray(field)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
