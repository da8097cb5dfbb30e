/** A model as Triton would configure it, derived from what is known of it. The names are those of Triton's ModelConfig. */
import { hasBatchDimension } from '../core/batch-dimension.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { QueuePolicy, SchedulingOptions } from '../core/scheduling.ts'
import type { DataType } from '../core/tensor.ts'
import type { ServedMetadata } from '../repository/status.ts'
import type { TritonConfig } from '../repository/triton/config-schema.ts'
import { defaultMaxRows } from '../scheduling/batching.ts'

export interface ModelConfigTensor {
  readonly name: string
  /** `TYPE_FP32`; BYTES is `TYPE_STRING`. */
  readonly data_type: string
  /** Without the batch dimension where `max_batch_size` is above 0; at least one. */
  readonly dims: readonly number[]
  /** The shape that the model itself sees, where it is a scalar. */
  readonly reshape?: { readonly shape: readonly number[] }
}

export interface ModelConfigInput extends ModelConfigTensor {
  readonly format: 'FORMAT_NONE'
  readonly is_shape_tensor: false
  readonly allow_ragged_batch: false
  readonly optional: boolean
}

export interface ModelConfigOutput extends ModelConfigTensor {
  readonly label_filename: string
  readonly is_shape_tensor: false
}

export interface InstanceGroup {
  readonly name: string
  readonly kind: 'KIND_CPU' | 'KIND_GPU'
  readonly count: number
  readonly gpus: readonly number[]
}

export interface ModelConfig {
  readonly name: string
  readonly platform: string
  readonly backend: string
  /** Every version that is found is served, where no `config.pbtxt` says otherwise. */
  readonly version_policy: NonNullable<TritonConfig['version_policy']>
  /** 0 where no limit is set, or the first dimension is no batch. */
  readonly max_batch_size: number
  readonly input: readonly ModelConfigInput[]
  readonly output: readonly ModelConfigOutput[]
  readonly instance_group: readonly InstanceGroup[]
  readonly default_model_filename: string
  /** Facts of this server: device, placement, … */
  readonly parameters: Readonly<Record<string, { readonly string_value: string }>>
  readonly model_transaction_policy: { readonly decoupled: boolean }
  /** Present where requests share runs. */
  readonly dynamic_batching?: DynamicBatching
  /** Present where answers are kept. */
  readonly response_cache?: { readonly enable: boolean }
  /** As configured. */
  readonly sequence_batching?: TritonConfig['sequence_batching']
  readonly model_warmup?: TritonConfig['model_warmup']
  readonly optimization?: TritonConfig['optimization']
}

/** Empty where nothing was configured: requests share runs without waiting for each other. */
export interface DynamicBatching {
  readonly preferred_batch_size?: readonly number[] | undefined
  readonly max_queue_delay_microseconds?: number | undefined
  readonly priority_levels?: number | undefined
  readonly default_priority_level?: number | undefined
  readonly default_queue_policy?: ModelQueuePolicy | undefined
  readonly priority_queue_policy?: Readonly<Record<string, ModelQueuePolicy>> | undefined
}

export interface ModelQueuePolicy {
  readonly timeout_action?: 'REJECT' | 'DELAY' | undefined
  readonly default_timeout_microseconds?: number | undefined
  readonly allow_timeout_override?: boolean | undefined
  readonly max_queue_size?: number | undefined
}

/** Triton's names: backend, and the file of a version directory. */
const backends: Readonly<Record<string, readonly [backend: string, file: string]>> = {
  onnxruntime_onnx: ['onnxruntime', 'model.onnx'],
  tensorflow_savedmodel: ['tensorflow', 'model.savedmodel'],
}

/**
 * @param runtime name of the runtime, which is the backend where Triton has none for the platform
 * @param isBatching requests share runs: then there is a largest batch, though larger requests may run alone
 */
export function modelConfigOf(metadata: ServedMetadata, runtime: string, isBatching = false): ModelConfig {
  const { ref, platform, inputs, outputs, parameters = {}, config } = metadata
  const limit = metadata.maxBatchSize > 0 || !isBatching ? metadata.maxBatchSize : defaultMaxRows
  const maxBatchSize = hasBatchDimension(metadata) ? (config?.max_batch_size ?? limit) : 0
  const [backend, file] = backends[platform] ?? [runtime, '']
  return {
    name: ref.name,
    platform,
    backend,
    version_policy: { all: {} },
    max_batch_size: maxBatchSize,
    input: inputs.map((input) => ({
      ...tensorOf(input, maxBatchSize > 0),
      format: 'FORMAT_NONE',
      is_shape_tensor: false,
      allow_ragged_batch: false,
      optional: input.isOptional === true,
    })),
    output: outputs.map((output) => ({
      ...tensorOf(output, maxBatchSize > 0),
      label_filename: '',
      is_shape_tensor: false,
    })),
    instance_group: [instanceGroupOf(metadata)],
    default_model_filename: file,
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([key, value]) => [key, { string_value: String(value) }]),
    ),
    model_transaction_policy: { decoupled: metadata.isDecoupled === true },
    ...(isBatching && maxBatchSize > 0 ? { dynamic_batching: batchingOf(metadata.scheduling ?? {}) } : {}),
    ...(metadata.isCached === true ? { response_cache: { enable: true } } : {}),
    ...(config === undefined ? {} : configuredOf(config, metadata)),
  }
}

/** What a `config.pbtxt` says stands as it is there, with Triton's defaults. */
function configuredOf(config: TritonConfig, { ref, parameters }: ServedMetadata): Partial<ModelConfig> {
  const { default_model_filename: file = '', dynamic_batching: batching, max_batch_size: rows = 0 } = config
  const { sequence_batching: sequences, model_warmup: warmUp, optimization, instance_group: groups = [] } = config
  const facts = Object.entries(parameters ?? {}).map(([key, value]) => [key, { string_value: String(value) }] as const)
  return {
    version_policy: config.version_policy ?? { latest: { num_versions: 1 } },
    ...(file === '' ? {} : { default_model_filename: file }),
    parameters: { ...Object.fromEntries(facts), ...config.parameters },
    ...(groups.length === 0 ? {} : { instance_group: groups.map((group, index) => groupOf(group, ref.name, index)) }),
    ...(batching === undefined
      ? {}
      : { dynamic_batching: { ...batching, preferred_batch_size: batching.preferred_batch_size ?? [rows] } }),
    ...(sequences === undefined ? {} : { sequence_batching: sequences }),
    ...(warmUp === undefined ? {} : { model_warmup: warmUp }),
    ...(optimization === undefined ? {} : { optimization }),
  }
}

type ConfiguredGroup = NonNullable<TritonConfig['instance_group']>[number]

/** With Triton's defaults. */
function groupOf(
  { name = '', kind, count = 0, gpus = [] }: ConfiguredGroup,
  model: string,
  index: number,
): InstanceGroup {
  const isOnGpu = kind === 'KIND_GPU'
  return {
    name: name === '' ? `${model}_${index}` : name,
    kind: isOnGpu ? 'KIND_GPU' : 'KIND_CPU',
    count: count === 0 ? (isOnGpu ? 1 : 2) : count,
    gpus,
  }
}

function batchingOf(options: SchedulingOptions): DynamicBatching {
  const { preferredBatchSizes: sizes, maxQueueDelayMs: delay, priorityLevels: levels, defaultPriority: usual } = options
  const policies = Array.from(
    options.queuePolicies ?? [],
    ([level, policy]) => [String(level), policyOf(policy)] as const,
  )
  return {
    ...(sizes === undefined ? {} : { preferred_batch_size: sizes }),
    ...(delay === undefined ? {} : { max_queue_delay_microseconds: Math.round(delay * 1000) }),
    ...(levels === undefined ? {} : { priority_levels: levels }),
    ...(usual === undefined ? {} : { default_priority_level: usual }),
    ...(options.queuePolicy === undefined ? {} : { default_queue_policy: policyOf(options.queuePolicy) }),
    ...(policies.length === 0 ? {} : { priority_queue_policy: Object.fromEntries(policies) }),
  }
}

function policyOf({
  timeoutAction,
  defaultTimeoutMs,
  allowTimeoutOverride,
  maxQueueSize,
}: QueuePolicy): ModelQueuePolicy {
  return {
    ...(timeoutAction === undefined ? {} : { timeout_action: timeoutAction === 'delay' ? 'DELAY' : 'REJECT' }),
    ...(defaultTimeoutMs === undefined ? {} : { default_timeout_microseconds: Math.round(defaultTimeoutMs * 1000) }),
    ...(allowTimeoutOverride === undefined ? {} : { allow_timeout_override: allowTimeoutOverride }),
    ...(maxQueueSize === undefined ? {} : { max_queue_size: maxQueueSize }),
  }
}

function tensorOf({ name, datatype, shape }: TensorMetadata, hasBatch: boolean): ModelConfigTensor {
  const dims = hasBatch ? shape.slice(1) : shape
  const described = { name, data_type: dataTypeOf(datatype) }
  return dims.length > 0 ? { ...described, dims } : { ...described, dims: [1], reshape: { shape: [] } }
}

function dataTypeOf(datatype: DataType): string {
  return `TYPE_${datatype === 'BYTES' ? 'STRING' : datatype}`
}

function instanceGroupOf({ ref, parameters }: ServedMetadata): InstanceGroup {
  const { device, instances } = parameters ?? {}
  const gpu = /^cuda:(\d+)$/.exec(String(device))?.[1]
  return {
    name: ref.name,
    kind: gpu === undefined ? 'KIND_CPU' : 'KIND_GPU',
    count: typeof instances === 'number' ? instances : 1,
    gpus: gpu === undefined ? [] : [Number(gpu)],
  }
}
