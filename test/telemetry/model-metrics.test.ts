/** What a scheduler has learned and the statistics have counted, as Prometheus sees it. */
import { describe, expect, it } from 'vitest'
import { InferenceError, type ErrorCode } from '../../src/core/errors.ts'
import type { SchedulingSnapshot } from '../../src/core/scheduling.ts'
import type { Call } from '../../src/dataplane/call.ts'
import type { ModelStatus } from '../../src/repository/status.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Statistics } from '../../src/telemetry/statistics.ts'

const ref = { name: 'iris', version: '2' }
const snapshot: SchedulingSnapshot = {
  isBatching: true,
  reason: 'proved',
  alphaMs: 5,
  betaMs: 0.5,
  margin: 1.1,
  efficientBatch: 19,
  batchSize: 8,
  arrivalsPerMs: 2,
  expectedWaitMs: 12,
  waitingRequests: 3,
  waitingRows: 4,
  runningBatches: 1,
  refusals: { queue_full: 1, slo: 2, deadline: 3, timeout: 4, cancelled: 5 },
  isolations: 6,
  batches: [
    { rows: 1, executions: 2, computeMs: 4 },
    { rows: 3, executions: 1, computeMs: 6 },
  ],
}
const described = { platform: 'test', inputs: [], outputs: [], hasExplainer: false, maxBatchSize: 0 }
const metadata = { ...described, ref, versions: ['2'], isCached: true }
const status: ModelStatus = {
  ref,
  state: 'ready',
  runtime: 'onnx',
  memoryBytes: 0,
  loadMs: 250,
  metadata,
  scheduling: () => snapshot,
}

function callOf(more: Partial<Call> = {}): Call {
  return {
    verb: 'infer',
    request: { model: { name: 'iris' }, inputs: [] },
    context: { requestId: '1', protocol: 'v2', headers: {}, signal: new AbortController().signal },
    timings: { preprocessMs: 1, queueMs: 2, predictMs: 5, postprocessMs: 0.5, explainMs: 0, totalMs: 7 },
    ref,
    rows: 3,
    isScheduled: true,
    ...more,
  }
}

async function linesOf(statistics: Statistics, start: string): Promise<readonly string[]> {
  const cache = { usage: { entries: 2, bytes: 300, maxBytes: 1000, evictions: 4 } }
  const metrics = new Metrics({ version: '1', models: () => [status], statistics, cache })
  const { text } = await metrics.expose()
  return text
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.replace('model="iris",version="2"', '…'))
}

describe('metrics of a scheduler', () => {
  it.each([
    ['servable_batch_alpha_seconds', 0.005],
    ['servable_batch_beta_seconds', 0.0005],
    ['servable_batch_margin', 1.1],
    ['servable_efficient_batch', 19],
    ['servable_batch_size', 8],
    ['servable_arriving_rows', 2000],
    ['servable_expected_wait_seconds', 0.012],
    ['servable_waiting_requests', 3],
    ['servable_waiting_rows', 4],
    ['servable_running_batches', 1],
    ['servable_isolations_total', 6],
    ['nv_inference_pending_request_count', 3],
    ['nv_model_load_duration_secs', 0.25],
  ])('%s is %s', async (name, value) => {
    expect(await linesOf(new Statistics(), `${name}{`)).toEqual([`${name}{…} ${value}`])
  })

  it('tell refusals by reason, runs by rows, and whether requests share them', async () => {
    const statistics = new Statistics()
    expect(await linesOf(statistics, 'servable_refusals_total{')).toEqual(
      Object.entries(snapshot.refusals).map(
        ([reason, count]) => `servable_refusals_total{…,reason="${reason}"} ${count}`,
      ),
    )
    const rows = await linesOf(statistics, 'servable_batch_rows')
    expect(rows.slice(0, 3)).toEqual([
      'servable_batch_rows_bucket{le="1",…} 2',
      'servable_batch_rows_bucket{le="2",…} 2',
      'servable_batch_rows_bucket{le="4",…} 3',
    ])
    expect(rows.slice(-2)).toEqual(['servable_batch_rows_sum{…} 5', 'servable_batch_rows_count{…} 3'])
    expect(await linesOf(statistics, 'servable_batching_info{')).toEqual([
      'servable_batching_info{…,batching="on",reason="proved"} 1',
    ])
  })

  it('tell of the cache', async () => {
    expect(await linesOf(new Statistics(), 'servable_cache_entries ')).toEqual(['servable_cache_entries 2'])
    expect(await linesOf(new Statistics(), 'servable_cache_bytes ')).toEqual(['servable_cache_bytes 300'])
    expect(await linesOf(new Statistics(), 'servable_cache_evictions_total ')).toEqual([
      'servable_cache_evictions_total 4',
    ])
  })
})

describe('Triton’s metrics', () => {
  it('count requests, rows, runs and microseconds', async () => {
    const statistics = new Statistics()
    statistics.onResponse(callOf({ cache: { isHit: false, ms: 0.25 } }))
    statistics.onResponse(callOf({ rows: undefined, cache: { isHit: true, ms: 0.5 } }))
    for (const [name, value] of [
      ['nv_inference_request_success', 2],
      ['nv_inference_count', 3],
      ['nv_inference_exec_count', 3],
      ['nv_inference_request_duration_us', 14_000],
      ['nv_inference_queue_duration_us', 4000],
      ['nv_inference_compute_input_duration_us', 1000],
      ['nv_inference_compute_infer_duration_us', 3000],
      ['nv_inference_compute_output_duration_us', 500],
      ['nv_cache_num_hits_per_model', 1],
      ['nv_cache_num_misses_per_model', 1],
      ['nv_cache_hit_duration_per_model', 500],
      ['nv_cache_miss_duration_per_model', 250],
    ] as const) {
      expect(await linesOf(statistics, `${name}{`)).toEqual([`${name}{…} ${value}`])
    }
  })

  it('tell failures by Triton’s reasons', async () => {
    const statistics = new Statistics()
    const codes: ErrorCode[] = ['resource_exhausted', 'deadline_exceeded', 'cancelled', 'internal', 'invalid_argument']
    for (const code of codes) statistics.onError(callOf(), new InferenceError(code, 'no'))
    expect(await linesOf(statistics, 'nv_inference_request_failure{')).toEqual([
      'nv_inference_request_failure{…,reason="REJECTED"} 2',
      'nv_inference_request_failure{…,reason="CANCELED"} 1',
      'nv_inference_request_failure{…,reason="BACKEND"} 1',
      'nv_inference_request_failure{…,reason="OTHER"} 1',
    ])
  })
})

describe('statistics of a scheduled model', () => {
  it('tell of runs as the scheduler counted them, beside those that it did not see', () => {
    const statistics = new Statistics()
    statistics.onResponse(callOf())
    statistics.onResponse(callOf({ isScheduled: false }))
    const { inference_count, execution_count, batch_stats, scheduling } = statistics.statisticsOf(status)
    expect({ inference_count, execution_count }).toEqual({ inference_count: 6, execution_count: 4 })
    expect(batch_stats).toMatchObject([
      { batch_size: 1, compute_infer: { count: 2, ns: 4e6 } },
      { batch_size: 3, compute_infer: { count: 2, ns: 9e6 }, compute_input: { count: 2, ns: 1e6 } },
    ])
    expect(scheduling).toMatchObject({ batching: true, alpha_ms: 5, arrivals_per_second: 2000, refusals: { slo: 2 } })
  })
})
