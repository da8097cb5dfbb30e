/** What a `config.pbtxt` says of a model, and what it cannot say here. */
import { describe, expect, it } from 'vitest'
import { tritonModel } from '../../../src/repository/triton/declared.ts'
import { parseTritonConfig } from '../../../src/repository/triton/read-config.ts'

const path = 'm/config.pbtxt'
const read = (text: string) => parseTritonConfig(text, path)
const yamlOf = (text: string) => tritonModel(read(text), path).yaml

describe('a configuration', () => {
  it('becomes what a model.yaml would say', () => {
    const text = `
      name: "digits" platform: "onnxruntime_onnx" max_batch_size: 8 default_model_filename: "net.onnx"
      dynamic_batching {
        preferred_batch_size: [4, 8] max_queue_delay_microseconds: 100 preserve_ordering: true priority_levels: 2
        default_priority_level: 1 default_queue_policy { timeout_action: DELAY max_queue_size: 5 }
        priority_queue_policy { key: 2 value { default_timeout_microseconds: 7 } }
      }
      instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_CPU } ]
      response_cache { enable: true }
      optimization { graph { level: 1 } }
      parameters { key: "intra_op_thread_count" value { string_value: "3" } }
      output { name: "y" label_filename: "labels.txt" }
      model_warmup { name: "w" batch_size: 2 count: 3 inputs { key: "x" value { data_type: TYPE_FP32 dims: [3] random_data: true } } }
    `
    expect(yamlOf(text)).toEqual({
      name: 'digits',
      format: 'onnx',
      file: 'net.onnx',
      instances: 3,
      device: 'cpu',
      scheduling: {
        preferred_batch_size: [4, 8],
        max_queue_delay_microseconds: 100,
        priority_levels: 2,
        default_priority_level: 1,
        default_queue_policy: { timeout_action: 'DELAY', max_queue_size: 5 },
        priority_queue_policy: { '2': { default_timeout_microseconds: 7 } },
      },
      limits: { max_batch_size: 8 },
      response_cache: true,
      options: { graph_optimization_level: 'extended', intra_op_num_threads: 3 },
      labels: 'labels.txt',
      warmup: [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], random: true }], count: 3 }],
    })
  })
  it('has no batches where it is complete and speaks of none', () => {
    const sides = 'input { name: "x" dims: [1] } output { name: "y" dims: [1] }'
    expect(yamlOf(sides).scheduling).toEqual({ batching: 'off' })
    expect(yamlOf('input { name: "x" dims: [1] }').scheduling).toBeUndefined()
    expect(yamlOf('')).toEqual({})
  })
  it('serves the newest version, or those it names', () => {
    const policy = (text: string) => tritonModel(read(text), path).versions
    expect(policy('')).toEqual({ latest: 1 })
    expect(policy('version_policy: { latest { num_versions: 3 }}')).toEqual({ latest: 3 })
    expect(policy('version_policy { all { }}')).toBe('all')
    expect(policy('version_policy { specific { versions: [1, 4] }}')).toEqual({ specific: [1, 4] })
  })
})

describe('what cannot be honoured', () => {
  it.each([
    ['\nmax_batch_sizes: 1', `m/config.pbtxt:2: unknown field 'max_batch_sizes'; did you mean 'max_batch_size'?`],
    ['input {\n name: "x"\n dim: 1 }', `m/config.pbtxt:3: unknown field 'input.0.dim'`],
    ['max_batch_size: "8"', `m/config.pbtxt:1: 'max_batch_size': expected number, received string`],
    ['input [\n {name: "x" dims: [0]}]', `m/config.pbtxt:2: 'input.0.dims.0': expected -1, or at least 1`],
    [
      'input { name: "x" data_type: FP32 }',
      `m/config.pbtxt:1: 'input.0.data_type': Invalid option: expected one of "TYPE_BOOL"`,
    ],
    [
      'ensemble_scheduling {\n step [] }',
      `m/config.pbtxt:1: 'ensemble_scheduling': ensembles are not run: write an InferenceGraph`,
    ],
    [
      'model_transaction_policy { decoupled: true }',
      `'model_transaction_policy.decoupled': such a model gives one answer to a request`,
    ],
    ['name: "a"\nname: "b"', `m/config.pbtxt:2: 'name' is given twice`],
    ['sequence_batching { state [ { input_name: "x" } ] }', 'state is not kept between requests'],
    ['parameters: "x"', `m/config.pbtxt:1: 'parameters': expected { key: … value: … }`],
    ['version_policy { newest { } }', `m/config.pbtxt:1: 'version_policy': expected one of latest, all and specific`],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })
  it('names the backends that are here', () => {
    expect(() => yamlOf('backend: "python"')).toThrow(
      `m/config.pbtxt: 'backend': python is not here; there are onnxruntime`,
    )
  })
  it('does not reach what every object has', () => {
    expect(() => read('__proto__ { x: 1 }')).toThrow("unknown field '__proto__'")
  })
})
