/** Which device a model runs on: a pure choice over a described system, with its reason. */
import { InferenceError } from '../core/errors.ts'
import type { Device, DeviceRequest } from '../core/model.ts'
import type { VisibleDevice } from './visible-devices.ts'
import { visibleDevices } from './visible-devices.ts'

export type Provider = 'tensorrt' | 'cuda' | 'cpu'

export interface MigInstance {
  readonly uuid: string
  /** As in `MIG 1g.10gb`. */
  readonly name: string
}

export interface Gpu {
  readonly index: number
  readonly name: string
  readonly uuid: string
  /** With MIG on, only its instances can be used. */
  readonly isMigEnabled: boolean
  readonly migInstances: readonly MigInstance[]
}

/** The native package of the runtime, as far as GPUs are concerned. */
export interface ProviderPackage {
  readonly name: string
  /** Where it is installed. */
  readonly directory: string
  readonly hasShared: boolean
  readonly hasCuda: boolean
  readonly hasTensorrt: boolean
}

/** What the choice depends on. `describeSystem` reads the real one. */
export interface SystemDescription {
  /** As `process.platform` and `process.arch`. */
  readonly platform: string
  readonly arch: string
  /** Version of the NVIDIA driver, like `550.54.14`; absent where there is none. */
  readonly driverVersion?: string
  readonly gpus: readonly Gpu[]
  /** The environment variable; absent where it is not set. */
  readonly nvidiaVisibleDevices?: string
  readonly cudaVisibleDevices?: string
  /** Absent where the package is not installed. */
  readonly package?: ProviderPackage
  /** Shared libraries that the CUDA provider needs and the loader would not find. */
  readonly missingCudaLibraries: readonly string[]
  /** The same for the TensorRT provider. */
  readonly missingTensorrtLibraries: readonly string[]
}

export interface DeviceChoice {
  readonly device: Device
  /** Best first; `cpu` is always last: operators that the others lack run there. */
  readonly providers: readonly Provider[]
  readonly reason: string
}

export interface DeviceOptions {
  /** Prefer TensorRT: engines take minutes to build, hence only when asked. */
  readonly tensorrt?: boolean
}

/** The oldest driver of CUDA 12, which onnxruntime-node's provider files are built for. */
const oldestDriver = '525.60.13'

/**
 * Chooses providers for a model. `auto` takes the first visible GPU, or the CPU with the reason why.
 *
 * @throws InferenceError `failed_precondition` where `cuda` or `cuda:N` was asked for and something is missing; names it and
 *   the command that installs it
 */
export function chooseDevice(
  request: DeviceRequest,
  system: SystemDescription,
  options: DeviceOptions = {},
): DeviceChoice {
  if (request === 'cpu') return { device: 'cpu', providers: ['cpu'], reason: 'asked for' }
  const obstacle = findObstacle(system)
  if (obstacle !== undefined) return withoutGpu(request, obstacle)
  const devices = visibleDevices(system)
  const index = request === 'auto' || request === 'cuda' ? 0 : Number(request.slice('cuda:'.length))
  const device = devices.devices[index]
  if (device === undefined) {
    const hidden = devices.obstacle === undefined ? undefined : { reason: devices.obstacle }
    return withoutGpu(request, hidden ?? outOfRange(index, devices.devices))
  }
  return withGpu(request, index, device, system, options)
}

function withGpu(
  request: DeviceRequest,
  index: number,
  device: VisibleDevice,
  system: SystemDescription,
  options: DeviceOptions,
): DeviceChoice {
  const choice = { device: `cuda:${index}`, reason: describe(request, device) } as const
  if (options.tensorrt !== true) return { ...choice, providers: ['cuda', 'cpu'] }
  const missing = tensorrtObstacle(system)
  if (missing === undefined) return { ...choice, providers: ['tensorrt', 'cuda', 'cpu'] }
  if (request === 'auto')
    return { ...choice, providers: ['cuda', 'cpu'], reason: `${choice.reason}; no TensorRT: ${missing.reason}` }
  throw new InferenceError('failed_precondition', `TensorRT was asked for: ${missing.reason}. ${missing.remedy ?? ''}`)
}

function describe(request: DeviceRequest, device: VisibleDevice): string {
  return request === 'auto' ? `found ${device.name}` : `asked for; ${device.name}`
}

/** What stands between a model and a GPU, and how to get it out of the way. */
interface Obstacle {
  readonly reason: string
  readonly remedy?: string
}

/** The CPU for `auto`, which says why; for who insists on a GPU an error that says what to do. */
function withoutGpu(request: DeviceRequest, { reason, remedy }: Obstacle): DeviceChoice {
  if (request === 'auto') return { device: 'cpu', providers: ['cpu'], reason }
  const advice = remedy === undefined ? '' : `. ${remedy}`
  throw new InferenceError('failed_precondition', `device '${request}' cannot be used: ${reason}${advice}`)
}

/** The first thing on the way to a GPU that is missing. */
function findObstacle(system: SystemDescription): Obstacle | undefined {
  const { driverVersion, missingCudaLibraries } = system
  if (system.platform !== 'linux' || system.arch !== 'x64') {
    return { reason: `CUDA needs Linux on x64; this is ${system.platform} on ${system.arch}` }
  }
  if (driverVersion === undefined) {
    return {
      reason: 'no NVIDIA driver (/proc/driver/nvidia/version is absent)',
      remedy:
        'On a host: apt-get install -y nvidia-driver-550-server; in a container: install the NVIDIA Container Toolkit ' +
        'on the host and start it with --gpus all (Kubernetes: limits nvidia.com/gpu: 1)',
    }
  }
  if (isOlder(driverVersion, oldestDriver)) {
    return {
      reason: `the NVIDIA driver ${driverVersion} is too old: CUDA 12 needs ${oldestDriver} or newer`,
      remedy: 'On the host: apt-get install -y nvidia-driver-550-server',
    }
  }
  if (system.package === undefined) {
    return { reason: 'onnxruntime-node is not installed', remedy: 'Install it: npm install onnxruntime-node' }
  }
  const files = missingFiles(system.package, [
    ['hasShared', 'libonnxruntime_providers_shared.so'],
    ['hasCuda', 'libonnxruntime_providers_cuda.so'],
  ])
  if (files !== undefined) return files
  if (missingCudaLibraries.length > 0) {
    return {
      reason: `the CUDA 12 libraries ${missingCudaLibraries.join(', ')} are not found by the loader`,
      remedy:
        "Install them: apt-get install -y cuda-libraries-12-8 cudnn9-cuda-12 (NVIDIA's repository), or start from an " +
        'image nvidia/cuda:12.8.1-cudnn-runtime',
    }
  }
  return undefined
}

function tensorrtObstacle(system: SystemDescription): Obstacle | undefined {
  if (system.package === undefined) return undefined
  const files = missingFiles(system.package, [['hasTensorrt', 'libonnxruntime_providers_tensorrt.so']])
  if (files !== undefined) return files
  if (system.missingTensorrtLibraries.length === 0) return undefined
  return {
    reason: `the TensorRT libraries ${system.missingTensorrtLibraries.join(', ')} are not found by the loader`,
    remedy: "Install them: apt-get install -y libnvinfer10 libnvonnxparsers10 (NVIDIA's repository)",
  }
}

type FileFlag = 'hasShared' | 'hasCuda' | 'hasTensorrt'

/** The package's own install step fetches them; a plain install with scripts turned off leaves them out. */
function missingFiles(
  { name, directory, ...flags }: ProviderPackage,
  wanted: readonly (readonly [FileFlag, string])[],
): Obstacle | undefined {
  const missing = wanted.filter(([flag]) => !flags[flag]).map(([, file]) => file)
  if (missing.length === 0) return undefined
  return {
    reason: `${name} has no ${missing.join(', ')}`,
    remedy: `Install: node ${directory}/script/install.js --onnxruntime-node-install=cuda12`,
  }
}

function outOfRange(index: number, devices: readonly VisibleDevice[]): Obstacle {
  if (devices.length === 0) return { reason: 'the driver shows no GPU', remedy: 'Check nvidia-smi -L' }
  const range = devices.length === 1 ? 'there is only cuda:0' : `there are cuda:0 to cuda:${devices.length - 1}`
  return { reason: `there is no GPU ${index}: ${range} (${devices.map((device) => device.name).join(', ')})` }
}

/** Compares dotted versions number by number. */
function isOlder(version: string, other: string): boolean {
  const ours = version.split('.').map(Number)
  const theirs = other.split('.').map(Number)
  for (const [index, wanted] of theirs.entries()) {
    const part = ours[index] ?? 0
    if (part !== wanted) return part < wanted
  }
  return false
}
