/** How requests wait and share runs, by the names of other servers. */
import { describe, expect, it } from 'vitest'
import { parseModelYaml } from '../../src/repository/model-yaml.ts'
import { schedulingOptions } from '../../src/repository/scheduling-yaml.ts'

function optionsOf(lines: readonly string[], defaults = {}) {
  const { scheduling } = parseModelYaml(['scheduling:', ...lines.map((line) => `  ${line}`)].join('\n'), 'model.yaml')
  return schedulingOptions(scheduling ?? {}, defaults)
}

describe('scheduling in model.yaml', () => {
  it('takes all of Triton’s names', () => {
    const options = optionsOf([
      'max_batch_size: 16',
      'preferred_batch_size: [8, 4]',
      'max_queue_delay_microseconds: 1500',
      'priority_levels: 3',
      'default_priority_level: 2',
      'default_queue_policy: {timeout_action: DELAY, default_timeout_microseconds: 5000, allow_timeout_override: true}',
      'priority_queue_policy: {1: {timeout_action: REJECT, max_queue_size: 10}}',
    ])
    expect(options).toEqual({
      preferredBatchSizes: [4, 8],
      maxQueueDelayMs: 1.5,
      priorityLevels: 3,
      defaultPriority: 2,
      queuePolicy: { timeoutAction: 'delay', defaultTimeoutMs: 5, allowTimeoutOverride: true },
      queuePolicies: new Map([[1, { timeoutAction: 'reject', maxQueueSize: 10 }]]),
    })
  })

  it.each([
    ['max_queue_delay_microseconds: 2000', 2],
    ['batch_timeout_micros: 2000', 2],
    ['max_batch_time: 0.5', 500],
  ])('%s', (line, maxQueueDelayMs) => {
    expect(optionsOf([line])).toEqual({ maxQueueDelayMs })
  })

  it('goes over what holds for every model, key by key', () => {
    expect(optionsOf(['batching: on'], { batching: 'off', sloMs: 50 })).toEqual({ batching: 'on', sloMs: 50 })
    expect(optionsOf(['slo_ms: 20', 'preferred_batch_size: 4'], { sloMs: 50 })).toEqual({
      sloMs: 20,
      preferredBatchSizes: [4],
    })
  })

  it.each([
    [
      'scheduling:\n  max_queue_delay_microseconds: 100\n  max_batch_time: 0.1',
      "model.yaml:3: 'scheduling.max_batch_time': says 100 ms where max_queue_delay_microseconds says 0.1 ms; give one of them",
    ],
    [
      'limits: {max_batch_size: 4}\nscheduling: {max_batch_size: 8}',
      "model.yaml:2: 'scheduling.max_batch_size': says 8 where limits.max_batch_size says 4; give one of them",
    ],
    [
      'limits: {max_queue_size: 4}\nscheduling: {max_queue_size: 8}',
      "'scheduling.max_queue_size': says 8 where limits.max_queue_size says 4",
    ],
    ['scheduling: {max_batch_size: 4, preferred_batch_size: [2, 8]}', '8 is above max_batch_size 4'],
    ['scheduling: {default_priority_level: 3, priority_levels: 2}', '3 is none of the levels; priority_levels is 2'],
    ['scheduling: {priority_queue_policy: {4: {}}}', '4 is none of the levels; priority_levels is 0'],
    ['scheduling: {priority_queue_policy: {high: {}}}', 'a level is an integer from 1'],
    ['scheduling: {max_batch_time: 1000}', '1000000 ms is longer than any request waits; at most 60000 ms'],
    ['scheduling: {slo_ms: 0}', "'scheduling.slo_ms'"],
    ['scheduling: {max_batch_sise: 4}', "unknown key 'scheduling.max_batch_sise'; did you mean 'max_batch_size'?"],
    [
      'scheduling:\n  default_queue_policy: {timeout_aktion: REJECT}',
      "model.yaml:2: unknown key 'scheduling.default_queue_policy.timeout_aktion'; did you mean 'timeout_action'?",
    ],
    ['response_cache: {enabled: true}', "unknown key 'response_cache.enabled'; did you mean 'enable'?"],
  ])('refuses %j', (text, expected) => {
    expect(() => parseModelYaml(text, 'model.yaml')).toThrow(expected)
  })

  it('takes the same limit twice, and the cache in both forms', () => {
    const text = 'limits: {max_batch_size: 4}\nscheduling: {max_batch_size: 4}\nresponse_cache: true'
    expect(parseModelYaml(text, 'model.yaml')).toMatchObject({ response_cache: true })
    expect(parseModelYaml('response_cache: {enable: false}', 'model.yaml')).toEqual({ response_cache: false })
  })
})
