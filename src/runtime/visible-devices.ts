/** Which GPUs CUDA will enumerate, in its order: MIG, NVIDIA_VISIBLE_DEVICES and CUDA_VISIBLE_DEVICES applied. */
import type { Gpu, SystemDescription } from './device.ts'

/** A GPU, or an instance of one, as `cuda:N` counts them. */
export interface VisibleDevice {
  readonly name: string
  readonly uuid: string
}

export interface VisibleDevices {
  readonly devices: readonly VisibleDevice[]
  /** Why there are none. */
  readonly obstacle?: string
}

interface Candidate extends VisibleDevice {
  /** Of the GPU. */
  readonly index: number
  readonly isMig: boolean
}

type Part = Pick<SystemDescription, 'gpus' | 'nvidiaVisibleDevices' | 'cudaVisibleDevices'>

/** CUDA enumerates whole GPUs and, of all MIG instances, one (CUDA's documentation of CUDA_VISIBLE_DEVICES). */
export function visibleDevices(system: Part): VisibleDevices {
  const { gpus, nvidiaVisibleDevices: container, cudaVisibleDevices: cuda } = system
  if (container !== undefined && ['none', 'void', ''].includes(container.trim())) {
    return none(`NVIDIA_VISIBLE_DEVICES is '${container}': this container was given no GPU`)
  }
  let candidates = gpus.flatMap(candidatesOf)
  if (candidates.length === 0) {
    return gpus.length > 0
      ? none('MIG is enabled and the GPU has no instances. Create them on the host: nvidia-smi mig -cgi <profile> -C')
      : none('the driver shows no GPU: check nvidia-smi -L')
  }
  candidates = given(candidates, gpus, container)
  if (candidates.length === 0)
    return none(`NVIDIA_VISIBLE_DEVICES is '${container}', which names no GPU of this machine`)
  if (cuda !== undefined) {
    candidates = chosen(candidates, cuda)
    if (candidates.length === 0) return none(`CUDA_VISIBLE_DEVICES is '${cuda}', which hides every GPU`)
  }
  const whole = candidates.filter((candidate) => !candidate.isMig)
  return { devices: whole.length > 0 ? whole : candidates.slice(0, 1) }
}

function candidatesOf(gpu: Gpu): Candidate[] {
  const { index } = gpu
  if (!gpu.isMigEnabled) return [{ name: gpu.name, uuid: gpu.uuid, index, isMig: false }]
  return gpu.migInstances.map(({ uuid, name }) => ({ name: `${gpu.name} ${name}`, uuid, index, isMig: true }))
}

/** What the container was given. A runtime that applied the list already shows no more GPUs than it names. */
function given(candidates: Candidate[], gpus: readonly Gpu[], list: string | undefined): Candidate[] {
  if (list === undefined || list === 'all') return candidates
  const names = entries(list)
  const hidden = gpus.length > names.length || candidates.some(({ isMig }) => isMig && candidates.length > names.length)
  return hidden ? candidates.filter((candidate) => names.some((name) => isNamed(candidate, name))) : candidates
}

/** CUDA's own rule: in the order of the list, ended by the first entry that names nothing. */
function chosen(candidates: readonly Candidate[], list: string): Candidate[] {
  const found: Candidate[] = []
  for (const name of entries(list)) {
    const isNumber = /^\d+$/.test(name)
    const candidate = isNumber ? candidates[Number(name)] : candidates.find((item) => isNamed(item, name))
    if (candidate === undefined || found.includes(candidate)) break
    found.push(candidate)
  }
  return found
}

/** By index (`0`), by instance (`0:1`: all of that GPU's count as named), or by the start of a UUID. */
function isNamed(candidate: Candidate, name: string): boolean {
  const [, index] = /^(\d+)(?::\d+)?$/.exec(name) ?? []
  if (index !== undefined) return candidate.index === Number(index)
  return candidate.uuid.startsWith(name)
}

function entries(list: string): string[] {
  return list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

function none(obstacle: string): VisibleDevices {
  return { devices: [], obstacle }
}
