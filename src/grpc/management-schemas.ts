/** The fields of Triton's management messages, by their numbers in `proto/inference.proto` and `proto/model_config.proto`. */
import type { Field, Kind, Schema } from './message-schema.ts'

/** Fields that are numbered as they are listed. */
function inOrder(kinds: Readonly<Record<string, Kind>>): Schema {
  return Object.fromEntries(
    Object.entries(kinds).map(([name, kind], index): [string, Field] => [name, { number: index + 1, kind }]),
  )
}

const duration = { fields: inOrder({ count: 'integer', ns: 'integer' }) }
const compute = { compute_input: duration, compute_infer: duration, compute_output: duration }

const inferStatistics = {
  fields: inOrder({
    success: duration,
    fail: duration,
    queue: duration,
    ...compute,
    cache_hit: duration,
    cache_miss: duration,
  }),
}

const modelStatistics = {
  fields: inOrder({
    name: 'string',
    version: 'string',
    last_inference: 'integer',
    inference_count: 'integer',
    execution_count: 'integer',
    inference_stats: inferStatistics,
    batch_stats: { fields: inOrder({ batch_size: 'integer', ...compute }) },
    memory_usage: { fields: inOrder({ type: 'string', id: 'integer', byte_size: 'integer' }) },
  }),
}

export const modelStatisticsResponse = inOrder({ model_stats: modelStatistics })

export const repositoryIndexResponse = inOrder({
  models: { fields: inOrder({ name: 'string', version: 'string', state: 'string', reason: 'string' }) },
})

/** TraceSettingResponse; each setting is a list of texts. */
export const traceSettingResponse: Schema = {
  settings: { number: 1, kind: { fields: inOrder({ value: 'string' }) }, isMap: true },
}

/** LogSettingsResponse; each setting is one of three kinds. */
export const logSettingsResponse: Schema = {
  settings: {
    number: 1,
    kind: {
      fields: {
        bool_param: { number: 1, kind: 'bool', isChoice: true },
        uint32_param: { number: 2, kind: 'integer', isChoice: true },
        string_param: { number: 3, kind: 'string', isChoice: true },
      },
    },
    isMap: true,
  },
}

const dataType: Kind = new Map(
  ['INVALID', 'BOOL', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64']
    .concat(['FP16', 'FP32', 'FP64', 'STRING', 'BF16'])
    .map((name, number) => [`TYPE_${name}`, number]),
)
const instanceKind: Kind = new Map(['AUTO', 'GPU', 'CPU', 'MODEL'].map((name, number) => [`KIND_${name}`, number]))
const reshape = { fields: inOrder({ shape: 'integer' }) }
const none = { fields: {} }

const input: Schema = {
  name: { number: 1, kind: 'string' },
  data_type: { number: 2, kind: dataType },
  dims: { number: 4, kind: 'integer' },
  reshape: { number: 5, kind: reshape },
  optional: { number: 8, kind: 'bool' },
}
const output: Schema = {
  name: { number: 1, kind: 'string' },
  data_type: { number: 2, kind: dataType },
  dims: { number: 3, kind: 'integer' },
  label_filename: { number: 4, kind: 'string' },
  reshape: { number: 5, kind: reshape },
}
const instanceGroup: Schema = {
  name: { number: 1, kind: 'string' },
  count: { number: 2, kind: 'integer' },
  gpus: { number: 3, kind: 'integer' },
  kind: { number: 4, kind: instanceKind },
}

const queuePolicy: Kind = {
  fields: inOrder({
    timeout_action: new Map([
      ['REJECT', 0],
      ['DELAY', 1],
    ]),
    default_timeout_microseconds: 'integer',
    allow_timeout_override: 'bool',
    max_queue_size: 'integer',
  }),
}
const dynamicBatching: Schema = {
  preferred_batch_size: { number: 1, kind: 'integer' },
  max_queue_delay_microseconds: { number: 2, kind: 'integer' },
  priority_levels: { number: 4, kind: 'integer' },
  default_priority_level: { number: 5, kind: 'integer' },
  default_queue_policy: { number: 6, kind: queuePolicy },
  priority_queue_policy: { number: 7, kind: queuePolicy, isMap: true, hasNumberKeys: true },
}

const modelConfig: Schema = {
  name: { number: 1, kind: 'string' },
  platform: { number: 2, kind: 'string' },
  version_policy: { number: 3, kind: { fields: { all: { number: 2, kind: none } } } },
  max_batch_size: { number: 4, kind: 'integer' },
  input: { number: 5, kind: { fields: input } },
  output: { number: 6, kind: { fields: output } },
  instance_group: { number: 7, kind: { fields: instanceGroup } },
  default_model_filename: { number: 8, kind: 'string' },
  dynamic_batching: { number: 11, kind: { fields: dynamicBatching } },
  parameters: { number: 14, kind: { fields: inOrder({ string_value: 'string' }) }, isMap: true },
  backend: { number: 17, kind: 'string' },
  model_transaction_policy: { number: 19, kind: { fields: inOrder({ decoupled: 'bool' }) } },
  response_cache: { number: 24, kind: { fields: inOrder({ enable: 'bool' }) } },
}

export const modelConfigResponse = inOrder({ config: { fields: modelConfig } })

/** RepositoryModelLoadResponse and RepositoryModelUnloadResponse as KServe has them; Triton's are empty. */
export const kserveControlResponse: Schema = {
  model_name: { number: 1, kind: 'string' },
  is_done: { number: 2, kind: 'bool' },
}
