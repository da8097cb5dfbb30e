/** Describes the machine to `chooseDevice`: driver, GPUs, provider files and libraries. */
import { execFile } from 'node:child_process'
import { access, readFile, readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Gpu, MigInstance, ProviderPackage, SystemDescription } from './device.ts'

/** What the CUDA 12 build of onnxruntime's provider links to. */
const cudaLibraries = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcurand.so.10',
  'libcufft.so.11',
  'libcudnn.so.9',
]
const tensorrtLibraries = ['libnvinfer.so.10', 'libnvonnxparser.so.10']

/** nvidia-smi takes a second on a machine without persistence mode, and may hang on a broken one. */
const smiTimeoutMs = 5000

/** Reads the system this process runs on. Never throws: what cannot be read is absent. */
export async function describeSystem(environment: NodeJS.ProcessEnv = process.env): Promise<SystemDescription> {
  const { platform, arch } = process
  const driverVersion = parseDriverVersion(await text('/proc/driver/nvidia/version'))
  const found = await findPackage(platform, arch)
  const nvidia = environment['NVIDIA_VISIBLE_DEVICES']
  const cuda = environment['CUDA_VISIBLE_DEVICES']
  const hasDriver = driverVersion !== undefined
  return {
    platform,
    arch,
    gpus: hasDriver ? await readGpus() : [],
    missingCudaLibraries: hasDriver ? await missing(cudaLibraries, environment, found?.binary) : [],
    missingTensorrtLibraries: hasDriver ? await missing(tensorrtLibraries, environment, found?.binary) : [],
    ...(driverVersion === undefined ? {} : { driverVersion }),
    ...(nvidia === undefined ? {} : { nvidiaVisibleDevices: nvidia }),
    ...(cuda === undefined ? {} : { cudaVisibleDevices: cuda }),
    ...(found === undefined ? {} : { package: found.package }),
  }
}

/** `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu …`, with `Open Kernel Module for x86_64` in newer ones. */
export function parseDriverVersion(version: string): string | undefined {
  return /NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(version)?.[1]
}

/** `nvidia-smi -L`: one line per GPU, and below it one per MIG instance. */
export function parseGpuList(list: string): Gpu[] {
  const gpus: Gpu[] = []
  let instances: MigInstance[] = []
  for (const line of list.split('\n')) {
    const [, index, name, uuid] = /^GPU (\d+): (.*) \(UUID: ([^)]+)\)/.exec(line) ?? []
    const [, profile, instance] = /^\s+(MIG \S+)\s+Device\s+\d+: \(UUID: ([^)]+)\)/.exec(line) ?? []
    if (index !== undefined && name !== undefined && uuid !== undefined) {
      instances = []
      gpus.push({ index: Number(index), name, uuid, isMigEnabled: false, migInstances: instances })
    } else if (profile !== undefined && instance !== undefined) instances.push({ name: profile, uuid: instance })
  }
  return gpus.map((gpu) => ({ ...gpu, isMigEnabled: gpu.migInstances.length > 0 }))
}

/** `/proc/driver/nvidia/gpus/<address>/information`. */
export function parseGpuInformation(information: string, index: number): Gpu {
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(information)?.[1]?.trim() ?? 'unknown'
  return { index, name: field('Model'), uuid: field('GPU UUID'), isMigEnabled: false, migInstances: [] }
}

/** `nvidia-smi --query-gpu=index,mig.mode.current --format=csv,noheader`: the indexes of GPUs with MIG on. */
export function parseMigModes(csv: string): readonly number[] {
  return [...csv.matchAll(/^(\d+), Enabled$/gm)].map(([, index]) => Number(index))
}

async function readGpus(): Promise<readonly Gpu[]> {
  const [list, modes] = await Promise.all([
    smi(['-L']),
    smi(['--query-gpu=index,mig.mode.current', '--format=csv,noheader']),
  ])
  const gpus = parseGpuList(list)
  if (gpus.length > 0) {
    const withMig = parseMigModes(modes)
    return gpus.map((gpu) => ({ ...gpu, isMigEnabled: gpu.isMigEnabled || withMig.includes(gpu.index) }))
  }
  const root = '/proc/driver/nvidia/gpus'
  const addresses = (await names(root)).sort()
  return Promise.all(
    addresses.map(async (address, index) => parseGpuInformation(await text(join(root, address, 'information')), index)),
  )
}

function smi(parameters: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('nvidia-smi', parameters, { timeout: smiTimeoutMs, killSignal: 'SIGKILL' }, (error, stdout) => {
      resolve(error === null ? stdout : '')
    })
  })
}

async function findPackage(
  platform: string,
  arch: string,
): Promise<{ readonly package: ProviderPackage; readonly binary: string } | undefined> {
  const name = 'onnxruntime-node'
  let directory: string
  try {
    directory = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
  const binary = join(directory, 'bin', 'napi-v6', platform, arch)
  const files = await names(binary)
  const has = (provider: string): boolean => files.includes(`libonnxruntime_providers_${provider}.so`)
  return {
    binary,
    package: { name, directory, hasShared: has('shared'), hasCuda: has('cuda'), hasTensorrt: has('tensorrt') },
  }
}

/** The libraries that `dlopen` would not find: beside the provider, in LD_LIBRARY_PATH, the loader's cache, its own folders. */
async function missing(
  libraries: readonly string[],
  environment: NodeJS.ProcessEnv,
  binary: string | undefined,
): Promise<readonly string[]> {
  const folders = [
    ...(binary === undefined ? [] : [binary]),
    ...(environment['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => folder !== ''),
    '/lib64',
    '/usr/lib64',
    '/lib/x86_64-linux-gnu',
    '/usr/lib/x86_64-linux-gnu',
  ]
  const cache = await text('/etc/ld.so.cache', 'latin1')
  const isFound = await Promise.all(
    libraries.map(async (library) => cache.includes(`${library}\0`) || (await isInAny(folders, library))),
  )
  return libraries.filter((_, index) => isFound[index] !== true)
}

async function isInAny(folders: readonly string[], file: string): Promise<boolean> {
  for (const folder of folders) {
    const isThere = await access(join(folder, file)).then(
      () => true,
      () => false,
    )
    if (isThere) return true
  }
  return false
}

async function text(path: string, encoding: BufferEncoding = 'utf8'): Promise<string> {
  return readFile(path, encoding).catch(() => '')
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}
