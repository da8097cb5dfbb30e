import { describe, expect, it } from 'vitest'
import { chooseDevice } from '../../src/runtime/device.ts'
import type { Gpu, SystemDescription } from '../../src/runtime/device.ts'
import {
  describeSystem,
  parseDriverVersion,
  parseGpuInformation,
  parseGpuList,
  parseMigModes,
} from '../../src/runtime/system.ts'

function gpu(index: number, changes: Partial<Gpu> = {}): Gpu {
  return {
    index,
    name: `GPU-model-${index}`,
    uuid: `GPU-${index}${index}`,
    isMigEnabled: false,
    migInstances: [],
    ...changes,
  }
}

const packaged = { name: 'onnxruntime-node', directory: '/app/ort', hasShared: true, hasCuda: true, hasTensorrt: true }

const driverless: SystemDescription = {
  platform: 'linux',
  arch: 'x64',
  gpus: [],
  package: packaged,
  missingCudaLibraries: [],
  missingTensorrtLibraries: [],
}
/** One GPU with everything installed. */
const whole: SystemDescription = { ...driverless, driverVersion: '550.54.14', gpus: [gpu(0)] }
const two: SystemDescription = { ...whole, gpus: [gpu(0), gpu(1)] }

describe('chooseDevice', () => {
  it('takes the CPU where it is asked for', () => {
    expect(chooseDevice('cpu', two)).toEqual({ device: 'cpu', providers: ['cpu'], reason: 'asked for' })
  })

  it('takes the first GPU for auto, and TensorRT only when asked', () => {
    expect(chooseDevice('auto', two)).toEqual({
      device: 'cuda:0',
      providers: ['cuda', 'cpu'],
      reason: 'found GPU-model-0',
    })
    expect(chooseDevice('auto', two, { tensorrt: true }).providers).toEqual(['tensorrt', 'cuda', 'cpu'])
  })

  it('takes the GPU that is named', () => {
    expect(chooseDevice('cuda:1', two)).toMatchObject({ device: 'cuda:1', reason: 'asked for; GPU-model-1' })
    expect(chooseDevice('cuda', two).device).toBe('cuda:0')
  })

  it.each<[string, SystemDescription, RegExp, RegExp?]>([
    ['no driver', driverless, /no NVIDIA driver/, /--gpus all/],
    ['a driver too old for CUDA 12', { ...whole, driverVersion: '525.60.12' }, /525\.60\.12 is too old.*525\.60\.13/],
    ['a driver of CUDA 11', { ...whole, driverVersion: '470.256.02' }, /too old/],
    [
      'no provider files',
      { ...whole, package: { ...packaged, hasCuda: false, hasShared: false } },
      /no libonnxruntime_providers_shared\.so, libonnxruntime_providers_cuda\.so/,
      /Install: node \/app\/ort\/script\/install\.js --onnxruntime-node-install=cuda12/,
    ],
    [
      'no cuDNN',
      { ...whole, missingCudaLibraries: ['libcudnn.so.9'] },
      /libcudnn\.so\.9/,
      /apt-get install -y .*cudnn9-cuda-12/,
    ],
    [
      'another platform',
      { ...whole, platform: 'darwin', arch: 'arm64' },
      /needs Linux on x64; this is darwin on arm64/,
    ],
    ['another architecture', { ...whole, arch: 'arm64' }, /linux on arm64/],
    ['no GPU', { ...whole, gpus: [] }, /shows no GPU/],
    ['NVIDIA_VISIBLE_DEVICES=none', { ...whole, nvidiaVisibleDevices: 'none' }, /NVIDIA_VISIBLE_DEVICES is 'none'/],
    ['NVIDIA_VISIBLE_DEVICES=void', { ...whole, nvidiaVisibleDevices: 'void' }, /given no GPU/],
    ['CUDA_VISIBLE_DEVICES=-1', { ...whole, cudaVisibleDevices: '-1' }, /CUDA_VISIBLE_DEVICES is '-1'/],
    ['an empty CUDA_VISIBLE_DEVICES', { ...whole, cudaVisibleDevices: '' }, /hides every GPU/],
    ['MIG without instances', { ...whole, gpus: [gpu(0, { isMigEnabled: true })] }, /nvidia-smi mig -cgi/],
  ])(
    'with %s: auto falls back to the CPU and says why, cuda fails with the same reason and a remedy',
    (_title, system, reason, remedy = reason) => {
      const choice = chooseDevice('auto', system)
      expect(choice).toMatchObject({ device: 'cpu', providers: ['cpu'] })
      expect(choice.reason).toMatch(reason)
      expect(() => chooseDevice('cuda', system)).toThrow(reason)
      expect(() => chooseDevice('cuda', system)).toThrow(remedy)
      expect(() => chooseDevice('cuda:0', system)).toThrow(
        expect.objectContaining({ name: 'InferenceError', code: 'failed_precondition' }),
      )
    },
  )

  it('takes the oldest driver that CUDA 12 takes', () => {
    expect(chooseDevice('auto', { ...whole, driverVersion: '525.60.13' }).device).toBe('cuda:0')
    expect(chooseDevice('auto', { ...whole, driverVersion: '535.0' }).device).toBe('cuda:0')
  })

  it('asks for the package where it is not installed', () => {
    const { platform, arch, driverVersion = '', gpus, missingCudaLibraries, missingTensorrtLibraries } = whole
    const without = { platform, arch, driverVersion, gpus, missingCudaLibraries, missingTensorrtLibraries }
    expect(() => chooseDevice('cuda', without)).toThrow('npm install onnxruntime-node')
  })

  it('says which GPUs there are where the number is out of range', () => {
    expect(() => chooseDevice('cuda:5', two)).toThrow(
      /no GPU 5: there are cuda:0 to cuda:1 \(GPU-model-0, GPU-model-1\)/,
    )
    expect(() => chooseDevice('cuda:1', whole)).toThrow(/there is only cuda:0/)
  })

  it('falls back from TensorRT to CUDA for auto, and fails where a GPU was asked for', () => {
    const without = { ...whole, package: { ...packaged, hasTensorrt: false } }
    const choice = chooseDevice('auto', without, { tensorrt: true })
    expect(choice.providers).toEqual(['cuda', 'cpu'])
    expect(choice.reason).toMatch(/no TensorRT: .*libonnxruntime_providers_tensorrt\.so/)
    expect(() => chooseDevice('cuda', without, { tensorrt: true })).toThrow(/tensorrt\.so/)
    const unlinked = { ...whole, missingTensorrtLibraries: ['libnvinfer.so.10'] }
    expect(chooseDevice('auto', unlinked, { tensorrt: true }).reason).toMatch(/libnvinfer\.so\.10/)
    expect(() => chooseDevice('cuda', unlinked, { tensorrt: true })).toThrow(/libnvinfer10/)
  })
})

describe('visible devices', () => {
  const last = (system: SystemDescription, index = 0): string => chooseDevice(`cuda:${index}`, system).reason

  it('honours a subset in NVIDIA_VISIBLE_DEVICES that was not applied yet', () => {
    expect(last({ ...two, nvidiaVisibleDevices: '1' })).toContain('GPU-model-1')
    expect(last({ ...two, nvidiaVisibleDevices: 'GPU-11' })).toContain('GPU-model-1')
    expect(() => last({ ...two, nvidiaVisibleDevices: '1' }, 1)).toThrow(/only cuda:0/)
    expect(() => last({ ...two, nvidiaVisibleDevices: '7' })).toThrow(/names no GPU/)
  })

  it('leaves alone what the container runtime has cut already: indexes start at 0 again', () => {
    expect(last({ ...whole, nvidiaVisibleDevices: '3' })).toContain('GPU-model-0')
    expect(last({ ...two, nvidiaVisibleDevices: 'all' }, 1)).toContain('GPU-model-1')
  })

  it('orders by CUDA_VISIBLE_DEVICES, which ends at the first entry that names nothing', () => {
    expect(last({ ...two, cudaVisibleDevices: '1,0' })).toContain('GPU-model-1')
    expect(last({ ...two, cudaVisibleDevices: 'GPU-11' })).toContain('GPU-model-1')
    expect(() => last({ ...two, cudaVisibleDevices: '1,9,0' }, 1)).toThrow(/only cuda:0/)
  })

  it('counts MIG instances as one device', () => {
    const migInstances = [
      { uuid: 'MIG-a', name: 'MIG 1g.10gb' },
      { uuid: 'MIG-b', name: 'MIG 2g.20gb' },
    ]
    const system = { ...whole, gpus: [gpu(0, { isMigEnabled: true, migInstances })] }
    expect(last(system)).toContain('GPU-model-0 MIG 1g.10gb')
    expect(last({ ...system, cudaVisibleDevices: 'MIG-b' })).toContain('2g.20gb')
    expect(last({ ...system, nvidiaVisibleDevices: 'MIG-b' })).toContain('2g.20gb')
    expect(() => last(system, 1)).toThrow(/only cuda:0/)
  })
})

describe('the texts that describe a system', () => {
  it('reads the driver version of both kinds of kernel module', () => {
    const closed =
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12'
    const open = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs@a)  Thu'
    expect(parseDriverVersion(closed)).toBe('550.54.14')
    expect(parseDriverVersion(open)).toBe('570.86.15')
    expect(parseDriverVersion('')).toBeUndefined()
  })

  it('reads GPUs and MIG instances', () => {
    const list =
      'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)\n  MIG 1g.5gb      Device  0: (UUID: MIG-c7384736)\n' +
      'GPU 1: NVIDIA H200 (UUID: GPU-777)\n'
    expect(parseGpuList(list)).toEqual([
      {
        index: 0,
        name: 'NVIDIA A100-SXM4-40GB',
        uuid: 'GPU-5d5ba0d6',
        isMigEnabled: true,
        migInstances: [{ name: 'MIG 1g.5gb', uuid: 'MIG-c7384736' }],
      },
      { index: 1, name: 'NVIDIA H200', uuid: 'GPU-777', isMigEnabled: false, migInstances: [] },
    ])
    expect(parseGpuList('No devices were found\n')).toEqual([])
    expect(parseMigModes('0, Enabled\n1, [N/A]\n2, Disabled\n')).toEqual([0])
    expect(parseGpuInformation('Model: \t NVIDIA L4\nGPU UUID: \t GPU-1\n', 0)).toMatchObject({
      name: 'NVIDIA L4',
      uuid: 'GPU-1',
    })
  })

  it('describes this machine without throwing', async () => {
    const system = await describeSystem({ CUDA_VISIBLE_DEVICES: '0' })
    expect(system).toMatchObject({ platform: process.platform, arch: process.arch, cudaVisibleDevices: '0' })
    expect(system.package?.directory).toContain('onnxruntime-node')
    expect(chooseDevice('auto', system).reason).not.toBe('')
  })
})
