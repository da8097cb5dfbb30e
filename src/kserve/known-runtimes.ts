/** Runtimes that need no manifest: Servable's own, and those that KServe installs, for services that name one. */
import type { RuntimeManifest } from './select-runtime.ts'
import { protocols, type Protocol } from './schemas.ts'

export const ownRuntimeName = 'servable'

/** Versions of formats, as the manifests of KServe's users give them. */
const versions: Readonly<Record<string, readonly string[]>> = {
  onnx: ['1'],
  tensorflow: ['1', '2'],
  xgboost: ['1', '2'],
  lightgbm: ['3', '4'],
  triton: ['2'],
}

/** Formats of KServe that stand for a repository of any format. */
export const anyFormat = 'triton'

/** @param formats those that Servable has runtimes for */
export function ownRuntime(formats: readonly string[]): RuntimeManifest {
  const all = [...formats, anyFormat].flatMap((name) => [
    name,
    ...(versions[name] ?? []).map((each) => `${name}:${each}`),
  ])
  return runtime(ownRuntimeName, all, ['v1', 'v2', 'grpc-v2'])
}

/** KServe's `config/runtimes`; a star is an entry without autoSelect. */
const installed: readonly (readonly [name: string, formats: string, protocols: string])[] = [
  ['kserve-autogluonserver', 'autogluon:1', 'v1 v2'],
  ['kserve-huggingfaceserver', 'huggingface:1', 'v2 v1'],
  ['kserve-huggingfaceserver-multinode', 'huggingface:1', 'v2 v1'],
  ['kserve-lgbserver', 'lightgbm:4', 'v1 v2'],
  ['kserve-mlserver', 'sklearn:0 sklearn:1 xgboost:1 xgboost:2 lightgbm:3 lightgbm:4 mlflow:1 mlflow:2', 'v2'],
  ['kserve-openvino', 'openvino:10 onnx:1 tensorflow:1 huggingface', 'v1 v2 grpc-v2'],
  ['kserve-paddleserver', 'paddle:2', 'v1 v2'],
  ['kserve-pmmlserver', 'pmml:3 pmml:4', 'v1 v2'],
  ['kserve-predictiveserver', 'sklearn:1* xgboost:2* lightgbm:4*', 'v1 v2'],
  ['kserve-sklearnserver', 'sklearn:1', 'v1 v2'],
  ['kserve-tensorflow-serving', 'tensorflow:1 tensorflow:2', 'v1 grpc-v1'],
  ['kserve-torchserve', 'pytorch:1', 'v1 v2 grpc-v2'],
  ['kserve-tritonserver', 'tensorrt:8 tensorflow:1 tensorflow:2 onnx:1 pytorch:1* triton:2', 'v2 grpc-v2'],
  ['kserve-vllmserver', 'vLLM:1', ''],
  ['kserve-xgbserver', 'xgboost:2', 'v1 v2'],
]

/** The ClusterServingRuntime of this name that KServe installs. */
export function installedRuntime(name: string): RuntimeManifest | undefined {
  const found = installed.find(([known]) => known === name)
  if (found === undefined) return undefined
  const [, formats, spoken] = found
  return runtime(
    name,
    formats.split(' '),
    protocols.filter((protocol) => spoken.split(' ').includes(protocol)),
  )
}

function runtime(name: string, formats: readonly string[], protocolVersions: readonly Protocol[]): RuntimeManifest {
  return {
    kind: 'ClusterServingRuntime',
    name,
    namespace: '',
    labels: {},
    annotations: {},
    createdMs: 0,
    spec: {
      supportedModelFormats: formats.map((each) => {
        const [format = '', version] = each.replace('*', '').split(':')
        return { name: format, ...(version === undefined ? {} : { version }), autoSelect: !each.endsWith('*') }
      }),
      protocolVersions: [...protocolVersions],
    },
    file: '',
    where: () => name,
  }
}
