/** What is counted of each version. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Call } from '../../src/dataplane/call.ts'
import type { ModelStatus } from '../../src/repository/status.ts'
import { Statistics } from '../../src/telemetry/statistics.ts'

const ref = { name: 'iris', version: '2' }
const described = { platform: 'test', inputs: [], outputs: [], hasExplainer: false, maxBatchSize: 0 }
const metadata = { ...described, ref, versions: ['2'], parameters: { device: 'cuda:1' } }
const status: ModelStatus = { ref, state: 'ready', runtime: 'onnx', memoryBytes: 4096, metadata }

function callOf(more: Partial<Call> = {}): Call {
  return {
    verb: 'infer',
    request: { model: { name: 'iris' }, inputs: [] },
    context: { requestId: '1', protocol: 'v2', headers: {}, signal: new AbortController().signal },
    timings: { preprocessMs: 1, queueMs: 2, predictMs: 5, postprocessMs: 0.5, explainMs: 0, totalMs: 7 },
    ref,
    rows: 3,
    ...more,
  }
}

describe('Statistics', () => {
  it('add up rows, runs and the parts of each call in nanoseconds', () => {
    const statistics = new Statistics(() => 1234)
    statistics.onResponse(callOf())
    statistics.onResponse(callOf({ rows: 1 }))
    statistics.onResponse(callOf())
    statistics.onError(callOf(), new InferenceError('internal', 'internal error'))
    const found = statistics.statisticsOf(status)
    expect(found).toMatchObject({ ...ref, last_inference: 1234, inference_count: 7, execution_count: 3 })
    expect(found.inference_stats).toMatchObject({
      success: { count: 3, ns: 21e6 },
      fail: { count: 1, ns: 7e6 },
      queue: { count: 3, ns: 6e6 },
      compute_input: { count: 3, ns: 3e6 },
      compute_infer: { count: 3, ns: 9e6 },
      compute_output: { count: 3, ns: 1.5e6 },
    })
    expect(found.batch_stats).toMatchObject([
      { batch_size: 1, compute_infer: { count: 1, ns: 3e6 } },
      { batch_size: 3, compute_infer: { count: 2, ns: 6e6 } },
    ])
    expect(found.memory_usage).toEqual([{ type: 'GPU', id: 1, byte_size: 4096 }])
  })

  it('leave out explanations and calls that found no model', () => {
    const statistics = new Statistics()
    const { verb, request, context, timings } = callOf()
    statistics.onResponse(callOf({ verb: 'explain' }))
    statistics.onError({ verb, request, context, timings }, new InferenceError('not_found', 'unknown'))
    expect(statistics.statisticsOf(status)).toMatchObject({ last_inference: 0, inference_count: 0 })
    expect(statistics.statisticsOf(status).inference_stats.fail).toEqual({ count: 0, ns: 0 })
  })

  it('do not grow with the batch sizes that callers choose', () => {
    const statistics = new Statistics()
    for (let rows = 1; rows <= 1500; rows += 1) statistics.onResponse(callOf({ rows }))
    const { batch_stats, execution_count } = statistics.statisticsOf(status)
    expect([batch_stats.length, execution_count]).toEqual([1000, 1500])
  })
})
