/** Which native package runs a model, and on which device: a pure choice over what is installed. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { Device, DeviceRequest } from '../../src/runtime/index.ts'
import type { NativePackage } from './native.ts'

export interface PackageFacts {
  /** Where each package is; absent where it is not installed. */
  readonly cpu?: string
  readonly gpu?: string
  /** Names of the GPUs that the driver shows. */
  readonly gpus: readonly string[]
}

export interface PackageChoice {
  readonly path: string
  readonly name: NativePackage
  readonly device: Device
  readonly reason: string
}

const cpuPackage = '@tensorflow/tfjs-node'
const gpuPackage = '@tensorflow/tfjs-node-gpu'

/** @throws InferenceError `failed_precondition` with the command to type where a package is missing */
export function choosePackage(request: DeviceRequest, facts: PackageFacts): PackageChoice {
  if (request === 'cpu') return onCpu(facts, 'asked for')
  const index = request === 'auto' || request === 'cuda' ? 0 : Number(request.slice('cuda:'.length))
  const gpu = facts.gpus[index]
  const obstacle =
    gpu === undefined
      ? `there is no NVIDIA GPU ${index}`
      : facts.gpu === undefined
        ? `there is ${gpu}, but ${gpuPackage} is not installed: npm install ${gpuPackage}`
        : undefined
  if (obstacle === undefined && facts.gpu !== undefined) {
    const reason = request === 'auto' ? `found ${gpu ?? ''}` : `asked for; ${gpu ?? ''}`
    return { path: facts.gpu, name: gpuPackage, device: `cuda:${index}`, reason }
  }
  if (request === 'auto') return onCpu(facts, obstacle ?? '')
  throw new InferenceError('failed_precondition', `device ${request} was asked for: ${obstacle ?? ''}`)
}

function onCpu({ cpu, gpu }: PackageFacts, reason: string): PackageChoice {
  if (cpu !== undefined) return { path: cpu, name: cpuPackage, device: 'cpu', reason }
  if (gpu !== undefined) return { path: gpu, name: gpuPackage, device: 'cpu', reason }
  const text = `TensorFlow models need ${cpuPackage}, which is not installed. Install it: npm install ${cpuPackage} (with an NVIDIA GPU: npm install ${gpuPackage})`
  throw new InferenceError('failed_precondition', text)
}
