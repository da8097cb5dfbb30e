/** Triton's `ModelConfig` as far as it says something about a model: the fields, and what their values may be. */
import { z } from 'zod'
import type { DataType } from '../../core/tensor.ts'

const count = z.int().min(0)
const size = z.int().min(1)
const none = z.strictObject({})
const anything = z.unknown().optional()

/** At least 1, or -1 where a dimension is free. */
const dimension = z.int().refine((value) => value === -1 || value >= 1, { error: 'expected -1, or at least 1' })
const reshape = z.strictObject({ shape: z.array(dimension).default([]) })

const elementTypes = ['BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64']
  .concat(['FP16', 'FP32', 'FP64', 'STRING', 'BF16'])
  .map((name) => `TYPE_${name}`)
const dataType = z.enum(elementTypes)

const tensor = {
  name: z.string().min(1),
  data_type: dataType.optional(),
  dims: z.array(dimension).optional(),
  reshape: reshape.optional(),
  is_shape_tensor: z.literal(false, { error: 'shape tensors are of TensorRT' }).optional(),
  is_non_linear_format_io: z.literal(false, { error: 'is of TensorRT' }).optional(),
}

const input = z.strictObject({
  ...tensor,
  format: z.enum(['FORMAT_NONE', 'FORMAT_NHWC', 'FORMAT_NCHW']).optional(),
  allow_ragged_batch: z.literal(false, { error: 'ragged batches are not made' }).optional(),
  optional: z.boolean().optional(),
})
const output = z.strictObject({ ...tensor, label_filename: z.string().optional() })

const queuePolicy = z.strictObject({
  timeout_action: z.enum(['REJECT', 'DELAY']).optional(),
  default_timeout_microseconds: count.optional(),
  allow_timeout_override: z.boolean().optional(),
  max_queue_size: count.optional(),
})

const dynamicBatching = z.strictObject({
  preferred_batch_size: z.array(size).optional(),
  max_queue_delay_microseconds: count.optional(),
  /** Held: each request has an answer of its own. */
  preserve_ordering: z.boolean().optional(),
  priority_levels: count.optional(),
  default_priority_level: count.optional(),
  default_queue_policy: queuePolicy.optional(),
  priority_queue_policy: z.record(z.string(), queuePolicy).optional(),
})

const pair = z.array(z.number()).length(2)
const control = z
  .strictObject({
    kind: z.enum(['START', 'END', 'READY', 'CORRID'].map((name) => `CONTROL_SEQUENCE_${name}`)),
    int32_false_true: pair.optional(),
    fp32_false_true: pair.optional(),
    bool_false_true: z.array(z.boolean()).length(2).optional(),
    data_type: dataType.optional(),
  })
  .refine(
    ({ kind, int32_false_true: a, fp32_false_true: b, bool_false_true: c }) =>
      kind === 'CONTROL_SEQUENCE_CORRID' || [a, b, c].filter((values) => values !== undefined).length === 1,
    { error: 'give one of int32_false_true, fp32_false_true and bool_false_true' },
  )

const sequenceBatching = z.strictObject({
  max_sequence_idle_microseconds: count.optional(),
  control_input: z.array(z.strictObject({ name: z.string().min(1), control: z.array(control).min(1) })).optional(),
  direct: z
    .strictObject({ max_queue_delay_microseconds: count.optional(), minimum_slot_utilization: z.number().optional() })
    .optional(),
  oldest: z
    .strictObject({
      max_candidate_sequences: count.optional(),
      preferred_batch_size: z.array(size).optional(),
      max_queue_delay_microseconds: count.optional(),
      preserve_ordering: z.boolean().optional(),
    })
    .optional(),
  iterative_sequence: z.literal(false, { error: 'sequences that a model goes on with are not run' }).optional(),
  state: z.array(z.unknown()).max(0, { error: 'state is not kept between requests' }).optional(),
})

const instanceGroup = z.strictObject({
  name: z.string().optional(),
  kind: z.enum(['KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL']).optional(),
  count: count.optional(),
  gpus: z.array(count).optional(),
  rate_limiter: z
    .strictObject({}, { error: 'there is no rate limiter: limits.max_queue_size bounds a model' })
    .optional(),
  passive: z.literal(false, { error: 'an instance that is never used is not made' }).optional(),
  host_policy: z.string().optional(),
})

const accelerator = z.strictObject({ name: z.string(), parameters: z.record(z.string(), z.string()).optional() })
const pinnedMemory = z.strictObject({ enable: z.boolean().optional() })
const optimization = z.strictObject({
  graph: z.strictObject({ level: z.int().optional() }).optional(),
  priority: z.string().optional(),
  execution_accelerators: z
    .strictObject({
      gpu_execution_accelerator: z.array(accelerator).optional(),
      cpu_execution_accelerator: z.array(accelerator).optional(),
    })
    .optional(),
  input_pinned_memory: pinnedMemory.optional(),
  output_pinned_memory: pinnedMemory.optional(),
  gather_kernel_buffer_threshold: count.optional(),
  eager_batching: z.boolean().optional(),
  cuda: z.strictObject({}, { error: 'CUDA graphs are not used' }).optional(),
})

const warmUpInput = z
  .strictObject({
    data_type: dataType,
    dims: z.array(size).default([]),
    zero_data: z.boolean().optional(),
    random_data: z.boolean().optional(),
    input_data_file: z.string().min(1).optional(),
  })
  .refine(
    ({ zero_data: zero, random_data: random, input_data_file: file }) =>
      [zero === true, random === true, file !== undefined].filter(Boolean).length === 1,
    { error: 'give one of zero_data: true, random_data: true and input_data_file' },
  )

const warmUp = z.strictObject({
  name: z.string().optional(),
  batch_size: count.optional(),
  inputs: z.record(z.string(), warmUpInput),
  count: count.optional(),
})

export const tritonConfigSchema = z.strictObject({
  name: z.string().optional(),
  platform: z.string().optional(),
  backend: z.string().optional(),
  runtime: z.string().optional(),
  version_policy: z
    .union([
      z.strictObject({ latest: z.strictObject({ num_versions: size.optional() }) }),
      z.strictObject({ all: none }),
      z.strictObject({ specific: z.strictObject({ versions: z.array(count).min(1) }) }),
    ])
    .optional(),
  max_batch_size: count.optional(),
  input: z.array(input).optional(),
  output: z.array(output).optional(),
  dynamic_batching: dynamicBatching.optional(),
  sequence_batching: sequenceBatching.optional(),
  instance_group: z.array(instanceGroup).optional(),
  default_model_filename: z.string().optional(),
  parameters: z.record(z.string(), z.strictObject({ string_value: z.string().default('') })).optional(),
  model_warmup: z.array(warmUp).optional(),
  model_transaction_policy: z
    .strictObject({ decoupled: z.literal(false, { error: 'such a model gives one answer to a request' }).optional() })
    .optional(),
  response_cache: z.strictObject({ enable: z.boolean().optional() }).optional(),
  optimization: optimization.optional(),
  metric_tags: z.record(z.string(), z.string()).optional(),
  model_metrics: anything,
  batch_input: anything,
  batch_output: anything,
  ensemble_scheduling: anything,
  cc_model_filenames: anything,
  model_operations: anything,
  model_repository_agents: anything,
})

export type TritonConfig = z.infer<typeof tritonConfigSchema>
export type TritonTensor = z.infer<typeof output>
export type TritonSequences = z.infer<typeof sequenceBatching>
export type TritonControl = z.infer<typeof control>

/** Fields that are known and say what cannot be done here; with what would be right. */
export const refusedFields: Readonly<Record<string, string>> = {
  batch_input: 'ragged batches are not made',
  batch_output: 'ragged batches are not made',
  ensemble_scheduling: 'ensembles are not run: write an InferenceGraph, as servable serve -f graph.yaml',
  cc_model_filenames: 'one file serves every device: name it by default_model_filename',
  model_operations: 'libraries of custom operators are not loaded',
  model_repository_agents: 'repository agents are not loaded',
}

/** Fields that hold one value for each time that they stand in a text. */
export const repeatedFields: ReadonlySet<string> = new Set(
  ['input', 'output', 'dims', 'shape', 'versions', 'instance_group', 'gpus', 'preferred_batch_size', 'control_input']
    .concat(['control', 'int32_false_true', 'fp32_false_true', 'bool_false_true', 'model_warmup', 'state', 'agents'])
    .concat(['batch_input', 'batch_output', 'gpu_execution_accelerator', 'cpu_execution_accelerator', 'step'])
    .concat(['op_library_filename', 'profile', 'host_policy_values', 'resources', 'initial_state', 'source_input'])
    .concat(['secondary_devices', 'target_name', 'metric_control', 'graph_spec', 'library_search_paths']),
)

/** Fields that hold pairs of `key` and `value`. */
export const mapFields: ReadonlySet<string> = new Set([
  'parameters',
  'inputs',
  'priority_queue_policy',
  'cc_model_filenames',
  'metric_tags',
  'input_map',
  'output_map',
])

/** Of the name that Triton has for it. */
export function datatypeOf(name: string): DataType {
  const bare = name.replace(/^TYPE_/, '')
  return (bare === 'STRING' ? 'BYTES' : bare) as DataType // the schema has let through no other
}
