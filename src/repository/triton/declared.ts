/** What a `config.pbtxt` says, in the words of a model.yaml. */
import { InferenceError } from '../../core/errors.ts'
import type { ModelYaml } from '../model-yaml.ts'
import { mostWarmUps, type WarmUpInput } from '../warmup-yaml.ts'
import { datatypeOf, type TritonConfig } from './config-schema.ts'
import { controlsOf } from './sequences.ts'

/** What one configuration becomes. */
export interface TritonModel {
  readonly yaml: ModelYaml
  readonly versions: VersionPolicy
  /** What is taken and cannot be honoured to the letter. */
  readonly warnings: readonly string[]
}

/** Which versions are served. */
export type VersionPolicy = { readonly latest: number } | { readonly specific: readonly number[] } | 'all'

const formats: Readonly<Record<string, string>> = {
  onnxruntime: 'onnx',
  onnxruntime_onnx: 'onnx',
  tensorflow: 'tensorflow',
  tensorflow_savedmodel: 'tensorflow',
}

/** Triton's levels, as its backend for ONNX reads them. */
const graphLevels: Readonly<Record<string, string>> = { '-1': 'basic', '1': 'extended' }

/**
 * @param path of the file, for messages
 * @throws InferenceError `invalid_argument` where it asks for a backend that is not here
 */
export function tritonModel(config: TritonConfig, path: string): TritonModel {
  const warnings: string[] = []
  const format = formatOf(config, path)
  const { name, default_model_filename: file, response_cache: cache } = config
  const scheduling = schedulingOf(config)
  const labels = labelsOf(config, path)
  const options = format === 'onnx' ? onnxOptions(config, warnings) : {}
  const warmup = warmUpOf(config)
  const yaml: ModelYaml = {
    ...(name === undefined || name === '' ? {} : { name }),
    ...(format === undefined ? {} : { format }),
    ...(file === undefined || file === '' ? {} : { file }),
    ...instancesOf(config, warnings),
    ...(scheduling === undefined ? {} : { scheduling }),
    ...((config.max_batch_size ?? 0) > 0 ? { limits: { max_batch_size: config.max_batch_size } } : {}),
    ...(cache?.enable === true ? { response_cache: true } : {}),
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(labels === undefined ? {} : { labels }),
    ...(warmup.length === 0 ? {} : { warmup }),
  }
  return { yaml, versions: versionsOf(config), warnings }
}

/** True where Triton would derive nothing: both sides are written down. */
export function isComplete({ input = [], output = [] }: TritonConfig): boolean {
  return input.length > 0 && output.length > 0
}

function formatOf({ platform = '', backend = '' }: TritonConfig, path: string): string | undefined {
  const wanted = platform === '' ? backend : platform
  if (wanted === '') return undefined
  const format = formats[wanted]
  if (format !== undefined) return format
  const field = platform === '' ? 'backend' : 'platform'
  const here = Object.keys(formats).join(', ')
  const text = `${path}: '${field}': ${wanted} is not here; there are ${here}; or serve it by Triton and name that in a model.yaml (runtime: proxy)`
  throw new InferenceError('invalid_argument', text)
}

/** Triton serves the newest version where nothing is said. */
function versionsOf({ version_policy: policy }: TritonConfig): VersionPolicy {
  if (policy === undefined) return { latest: 1 }
  if ('all' in policy) return 'all'
  if ('specific' in policy) return { specific: policy.specific.versions }
  return { latest: policy.latest.num_versions ?? 1 }
}

function schedulingOf(config: TritonConfig): ModelYaml['scheduling'] {
  const { dynamic_batching: batching } = config
  // No batch, and nothing to derive one from: rows of different callers must not meet.
  if ((config.max_batch_size ?? 0) === 0 && isComplete(config)) return { batching: 'off' }
  if (batching === undefined) return undefined
  const { preferred_batch_size: sizes = [], priority_levels: levels = 0, default_priority_level: usual = 0 } = batching
  const { max_queue_delay_microseconds, default_queue_policy, priority_queue_policy } = batching
  return {
    ...(max_queue_delay_microseconds === undefined ? {} : { max_queue_delay_microseconds }),
    ...(default_queue_policy === undefined ? {} : { default_queue_policy }),
    ...(priority_queue_policy === undefined ? {} : { priority_queue_policy }),
    ...(sizes.length === 0 ? {} : { preferred_batch_size: sizes }),
    ...(levels === 0 ? {} : { priority_levels: levels }),
    ...(usual === 0 ? {} : { default_priority_level: usual }),
  }
}

function instancesOf(config: TritonConfig, warnings: string[]): Pick<ModelYaml, 'instances' | 'device'> {
  const groups = config.instance_group ?? []
  let instances = 0
  let device: ModelYaml['device']
  for (const { kind = 'KIND_AUTO', count = 0, gpus = [] } of groups) {
    instances += count
    const wanted = kind === 'KIND_GPU' ? (`cuda:${gpus[0] ?? 0}` as const) : kind === 'KIND_CPU' ? 'cpu' : undefined
    if (wanted === undefined) continue
    if ((device !== undefined && device !== wanted) || gpus.length > 1) {
      warnings.push(`instance_group: a model lives on one device here, ${device ?? wanted} is taken`)
    }
    device ??= wanted
  }
  return {
    ...(instances === 0 ? {} : { instances: Math.min(64, instances) }),
    ...(device === undefined ? {} : { device }),
  }
}

function onnxOptions(config: TritonConfig, warnings: string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {}
  const level = config.optimization?.graph?.level
  if (level !== undefined) options['graph_optimization_level'] = graphLevels[level] ?? 'all'
  const accelerators = config.optimization?.execution_accelerators
  for (const { name } of accelerators?.gpu_execution_accelerator ?? []) {
    if (name === 'tensorrt') options['tensorrt'] = true
    else warnings.push(`optimization.execution_accelerators: ${name} is not here`)
  }
  for (const { name } of accelerators?.cpu_execution_accelerator ?? []) {
    warnings.push(`optimization.execution_accelerators: ${name} is not here`)
  }
  const text = (key: string): string | undefined => config.parameters?.[key]?.string_value
  const threads = { intra_op_thread_count: 'intra_op_num_threads', inter_op_thread_count: 'inter_op_num_threads' }
  for (const [key, option] of Object.entries(threads)) {
    const number = Number(text(key) ?? 0)
    if (number > 0) options[option] = number
  }
  if (text('execution_mode') === '1') options['execution_mode'] = 'parallel'
  if (text('enable_mem_arena') === '0') options['enable_cpu_mem_arena'] = false
  if (text('enable_mem_pattern') === '0') options['enable_mem_pattern'] = false
  return options
}

function labelsOf({ output = [] }: TritonConfig, path: string): string | undefined {
  const files = new Set(output.flatMap(({ label_filename: file = '' }) => (file === '' ? [] : [file])))
  const [only] = files
  if (files.size <= 1) return only
  const text = `${path}: 'output': one file of labels is read for a model, there are ${[...files].join(' and ')}`
  throw new InferenceError('invalid_argument', text)
}

/** Requests for the model itself: with the shapes and the controls that it has. */
function warmUpOf(config: TritonConfig): NonNullable<ModelYaml['warmup']> {
  const isBatched = (config.max_batch_size ?? 0) > 0
  const tensors = new Map(config.input?.map((input) => [input.name, input]))
  return (config.model_warmup ?? []).map(({ inputs, batch_size: rows = 1, count = 1 }) => {
    const leading = isBatched ? [Math.max(1, rows)] : []
    const given = Object.entries(inputs).map(([name, input]): WarmUpInput => {
      const shape = [...leading, ...(tensors.get(name)?.reshape?.shape ?? input.dims)]
      const described = { name, datatype: datatypeOf(input.data_type), shape }
      if (input.input_data_file !== undefined) return { ...described, raw_file: `warmup/${input.input_data_file}` }
      return input.zero_data === true ? { ...described, zero: true } : { ...described, random: true }
    })
    const controls = controlsOf(config.sequence_batching).map(({ name, datatype }): WarmUpInput => ({
      name,
      datatype,
      shape: [...leading, 1],
      zero: true,
    }))
    return { inputs: [...given, ...controls], count: Math.min(mostWarmUps, Math.max(1, count)) }
  })
}
