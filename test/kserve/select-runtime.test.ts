/** KServe's rules for the choice of a runtime, on the runtimes that it installs and on made-up ones. */
import { describe, expect, it } from 'vitest'
import { selectRuntime, type RuntimeManifest, type RuntimeRequest } from '../../src/kserve/select-runtime.ts'
import type { ServingRuntimeSpec } from '../../src/kserve/schemas.ts'

/** `onnx:1p2` has version 1 and priority 2, `onnx*` no autoSelect. */
function runtime(
  name: string,
  formats: string,
  protocols = '',
  more: Partial<RuntimeManifest> & { spec?: Partial<ServingRuntimeSpec> } = {},
) {
  const { spec, ...outside } = more
  return {
    kind: 'ClusterServingRuntime',
    name,
    namespace: '',
    labels: {},
    annotations: {},
    createdMs: 0,
    file: 'runtimes.yaml',
    where: () => 'runtimes.yaml:1',
    ...outside,
    spec: {
      supportedModelFormats: formats.split(' ').map((text) => {
        const [, format = '', version, priority] = /^(\w+)(?::(\w+?))?(?:p(\d+))?\*?$/.exec(text) ?? []
        return {
          name: format,
          autoSelect: !text.endsWith('*'),
          ...(version === undefined ? {} : { version }),
          ...(priority === undefined ? {} : { priority: Number(priority) }),
        }
      }),
      protocolVersions: (protocols === '' ? [] : protocols.split(' ')) as NonNullable<
        ServingRuntimeSpec['protocolVersions']
      >,
      ...spec,
    },
  } satisfies RuntimeManifest
}

/** §6.6, as KServe's kustomization installs them. */
const installed = [
  runtime('kserve-lgbserver', 'lightgbm:4p1', 'v1 v2'),
  runtime(
    'kserve-mlserver',
    'sklearn:0p2 sklearn:1p2 xgboost:1p2 xgboost:2p2 lightgbm:3p2 lightgbm:4p2 mlflow:1p1 mlflow:2p1',
    'v2',
  ),
  runtime('kserve-predictiveserver', 'sklearn:1p3* xgboost:2p3* lightgbm:4p3*', 'v1 v2'),
  runtime('kserve-sklearnserver', 'sklearn:1p1', 'v1 v2'),
  runtime('kserve-tensorflow-serving', 'tensorflow:1p2 tensorflow:2p2', 'v1 grpc-v1'),
  runtime('kserve-torchserve', 'pytorch:1p2', 'v1 v2 grpc-v2'),
  runtime(
    'kserve-tritonserver',
    'tensorrt:8p1 tensorflow:1p1 tensorflow:2p1 onnx:1p1 pytorch:1* triton:2p1',
    'v2 grpc-v2',
  ),
  runtime('kserve-vllmserver', 'vLLM:1p1'),
  runtime('kserve-xgbserver', 'xgboost:2p1', 'v1 v2'),
]

function choose(
  request: Partial<RuntimeRequest> & { format: string },
  runtimes: readonly RuntimeManifest[] = installed,
): string {
  const selection = selectRuntime({ namespace: 'default', ...request }, runtimes)
  return selection.kind === 'selected'
    ? `${selection.runtime.name} ${selection.protocol}`
    : `${selection.reason}: ${selection.message}`
}

describe('the runtime of what KServe installs', () => {
  it.each([
    [{ format: 'sklearn' }, 'kserve-sklearnserver v1'],
    [{ format: 'sklearn', protocol: 'v2' }, 'kserve-mlserver v2'],
    [{ format: 'tensorflow' }, 'kserve-tensorflow-serving v1'],
    [{ format: 'tensorflow', protocol: 'v2' }, 'kserve-tritonserver v2'],
    [{ format: 'onnx', protocol: 'v2' }, 'kserve-tritonserver v2'],
    [{ format: 'onnx', version: '1', protocol: 'grpc-v2' }, 'kserve-tritonserver grpc-v2'],
    [{ format: 'xgboost', version: '2' }, 'kserve-xgbserver v1'],
    [{ format: 'lightgbm', version: '3', protocol: 'v2' }, 'kserve-mlserver v2'],
    [{ format: 'vLLM', protocol: 'v2' }, 'kserve-vllmserver v2'],
    [{ format: 'pytorch', runtime: 'kserve-tritonserver' }, 'kserve-tritonserver v2'],
    [{ format: 'xgboost', runtime: 'kserve-predictiveserver', protocol: 'v2' }, 'kserve-predictiveserver v2'],
  ] as const)('%j is %s', (request, chosen) => {
    expect(choose(request)).toBe(chosen)
  })

  it.each([
    [
      { format: 'onnx' },
      /^NoSupportingRuntime: No runtime found to support specified framework\/version: onnx, protocol v1; 'kserve-tritonserver' has onnx:1; protocols v2, grpc-v2$/,
    ],
    [{ format: 'onnx', version: '1.15', protocol: 'v2' }, /^NoSupportingRuntime: No runtime found .*onnx:1\.15/],
    [{ format: 'xgboots' }, /^NoSupportingRuntime: No runtime found .*did you mean 'xgboost'\?$/],
    [
      { format: 'onnx', runtime: 'kserve-triton' },
      /^RuntimeNotRecognized: Waiting for runtime to become available: there is no 'kserve-triton'/,
    ],
    [
      { format: 'onnx', runtime: 'kserve-tritonservr' },
      /^RuntimeNotRecognized: .*did you mean 'kserve-tritonserver'\?$/,
    ],
    [
      { format: 'onnx', runtime: 'kserve-tritonserver', protocol: 'v1' },
      /^NoSupportingRuntime: Specified runtime does not support specified protocol version: 'kserve-tritonserver' speaks v2, grpc-v2, not v1$/,
    ],
    [
      { format: 'sklearn', runtime: 'kserve-tritonserver' },
      /^NoSupportingRuntime: Specified runtime does not support specified framework\/version: 'kserve-tritonserver' has .*, not sklearn$/,
    ],
    [
      { format: 'onnx', version: '2', runtime: 'kserve-tritonserver' },
      /^NoSupportingRuntime: Specified runtime does not support specified framework\/version/,
    ],
  ] as const)('%j is refused', (request, message) => {
    expect(choose(request)).toMatch(message)
  })
})

describe('among several runtimes', () => {
  it('one of the namespace comes before those of the cluster, whatever the priority', () => {
    const own = runtime('own', 'onnx', 'v1', { kind: 'ServingRuntime', namespace: 'default' })
    expect(choose({ format: 'onnx' }, [runtime('cluster', 'onnx:1p9', 'v1'), own])).toBe('own v1')
    expect(choose({ format: 'onnx', namespace: 'other' }, [own])).toMatch(/^NoSupportingRuntime/)
  })

  it('one of the namespace is found by name before one of the cluster', () => {
    const own = runtime('same', 'onnx', 'v2', { kind: 'ServingRuntime', namespace: 'default' })
    expect(choose({ format: 'onnx', runtime: 'same' }, [runtime('same', 'onnx', 'v1'), own])).toBe('same v2')
  })

  it('the highest priority wins, that of the first entry of the format, none comes last', () => {
    expect(choose({ format: 'onnx' }, [runtime('a', 'onnx', 'v1'), runtime('b', 'onnx:1p1', 'v1')])).toBe('b v1')
    const mixed = runtime('mixed', 'onnx:1p1* onnx:2p9', 'v1')
    expect(choose({ format: 'onnx', version: '2' }, [mixed, runtime('c', 'onnx:2p2', 'v1')])).toBe('c v1')
  })

  it('the lowest protocol wins, then the newest, then the name', () => {
    const old = runtime('old', 'onnx', 'v1 v2', { createdMs: 1 })
    const young = runtime('young', 'onnx', 'v2 v1', { createdMs: 2 })
    expect(choose({ format: 'onnx', protocol: 'v2' }, [runtime('a', 'onnx', 'v2'), old, young])).toBe('young v2')
    expect(choose({ format: 'onnx' }, [runtime('b', 'onnx', 'v1'), runtime('a', 'onnx', 'v1')])).toBe('a v1')
  })

  it('what is disabled, for many models or for many nodes is passed over', () => {
    const passed = [
      runtime('disabled', 'onnx', 'v1', { spec: { disabled: true } }),
      runtime('multi', 'onnx', 'v1', { spec: { multiModel: true } }),
      runtime('nodes', 'onnx', 'v1', { spec: { workerSpec: {} } }),
      runtime('unasked', 'onnx*', 'v1'),
    ]
    expect(choose({ format: 'onnx' }, [...passed, runtime('z', 'onnx', 'v1')])).toBe('z v1')
    expect(choose({ format: 'onnx' }, passed)).toMatch(/'unasked' has onnx \(not autoSelect\)/)
    expect(choose({ format: 'onnx', isMultiNode: true }, passed)).toBe('nodes v1')
    expect(choose({ format: 'onnx', runtime: 'disabled' }, passed)).toMatch(
      /^RuntimeDisabled: Specified runtime is disabled/,
    )
    expect(choose({ format: 'onnx', runtime: 'unasked' }, passed)).toBe('unasked v1')
  })

  it('a version is compared as text and must be there', () => {
    expect(choose({ format: 'onnx', version: '1' }, [runtime('any', 'onnx', 'v1')])).toMatch(/^NoSupportingRuntime/)
    expect(choose({ format: 'onnx' }, [runtime('one', 'onnx:1', 'v1')])).toBe('one v1')
  })

  it('an empty list of protocols is any', () => {
    expect(choose({ format: 'onnx', protocol: 'grpc-v1' }, [runtime('any', 'onnx')])).toBe('any grpc-v1')
  })
})
