/** What is counted, by which labels, and that callers cannot grow it. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Call } from '../../src/dataplane/dataplane.ts'
import type { ModelStatus } from '../../src/repository/status.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

const ref = { name: 'iris', version: '2' }
const parameters = { device: 'cpu', placement: 'inline', device_reason: 'no "driver"\nhere' }
const described = { platform: 'test', inputs: [], outputs: [], hasExplainer: false, maxBatchSize: 0, parameters }
const metadata = { ...described, ref, versions: ['2'] }
const ready: ModelStatus = { ref, state: 'ready', runtime: 'onnx', memoryBytes: 4096, loadMs: 250, metadata }
const failed: ModelStatus = {
  ref: { name: 'bad', version: '1' },
  state: 'failed',
  reason: 'no such file',
  runtime: 'onnx',
  memoryBytes: 0,
}

function openMetrics(models: readonly ModelStatus[] = [ready, failed]) {
  const metrics = new Metrics({ version: '1.2.3', models: () => models })
  const lines = async (start: string) => {
    const { text } = await metrics.expose()
    return text.split('\n').filter((line) => line.startsWith(start))
  }
  return { metrics, lines }
}

function callOf(name = 'iris', timings: Partial<Call['timings']> = {}, isFound = true): Call {
  return {
    verb: 'infer',
    request: { model: { name }, inputs: [] },
    context: { requestId: '1', protocol: 'v2', headers: {}, signal: new AbortController().signal },
    timings: { preprocessMs: 0, queueMs: 0, predictMs: 0, postprocessMs: 0, explainMs: 0, totalMs: 0, ...timings },
    ...(isFound ? { ref: { name, version: '2' } } : {}),
  }
}

const response = { model: ref, outputs: [] }

describe('request metrics', () => {
  it('count requests by model, version, protocol, verb and code', async () => {
    const { metrics, lines } = openMetrics()
    for (let count = 0; count < 3; count += 1) {
      metrics.onRequest(callOf())
      metrics.onResponse(callOf(), response)
    }
    metrics.onRequest(callOf())
    metrics.onError(callOf(), new InferenceError('internal', 'internal error'))
    metrics.countRefusal({ name: 'iris' }, 'v1', 'infer', 'invalid_argument')
    expect(await lines('servable_requests_total')).toEqual([
      'servable_requests_total{model="iris",version="2",protocol="v2",verb="infer",code="ok"} 3',
      'servable_requests_total{model="iris",version="2",protocol="v2",verb="infer",code="internal"} 1',
      'servable_requests_total{model="iris",version="",protocol="v1",verb="infer",code="invalid_argument"} 1',
    ])
  })

  it('put durations into cumulative buckets in seconds', async () => {
    const { metrics, lines } = openMetrics()
    for (const totalMs of [0.1, 0.2, 40, 90_000]) {
      metrics.onRequest(callOf())
      metrics.onResponse(callOf('iris', { totalMs }), response)
    }
    const buckets = await lines('servable_request_duration_seconds')
    const labels = 'model="iris",version="2",protocol="v2"'
    for (const line of [
      `_bucket{le="0.0001",${labels}} 1`,
      `_bucket{le="0.00025",${labels}} 2`,
      `_bucket{le="0.025",${labels}} 2`,
      `_bucket{le="0.05",${labels}} 3`,
      `_bucket{le="60",${labels}} 3`,
      `_bucket{le="+Inf",${labels}} 4`,
      `_count{${labels}} 4`,
      `_sum{${labels}} 90.0403`,
    ]) {
      expect(buckets).toContain(`servable_request_duration_seconds${line}`)
    }
  })

  it("keep KServe's histograms by KServe's names, label and buckets", async () => {
    const { metrics, lines } = openMetrics()
    metrics.onRequest(callOf())
    metrics.onResponse(callOf('iris', { preprocessMs: 3, predictMs: 20, postprocessMs: 300 }), response)
    expect(await lines('request_preprocess_seconds_bucket{le="0.005"')).toEqual([
      'request_preprocess_seconds_bucket{le="0.005",model_name="iris"} 1',
    ])
    expect(await lines('request_predict_seconds_sum')).toEqual(['request_predict_seconds_sum{model_name="iris"} 0.02'])
    expect(await lines('request_postprocess_seconds_count')).toEqual([
      'request_postprocess_seconds_count{model_name="iris"} 1',
    ])
    expect(await lines('request_explain_seconds_count')).toEqual(['request_explain_seconds_count{model_name="iris"} 0'])
    const bounds = (await lines('request_predict_seconds_bucket')).map((line) => /le="([^"]+)"/.exec(line)?.[1])
    expect(bounds.join()).toBe('0.005,0.01,0.025,0.05,0.075,0.1,0.25,0.5,0.75,1,2.5,5,7.5,10,+Inf')
  })

  it('show what is in flight, idle models as 0', async () => {
    const { metrics, lines } = openMetrics()
    metrics.onRequest(callOf())
    metrics.onRequest(callOf())
    metrics.onRequest(callOf('nope', {}, false))
    metrics.onResponse(callOf(), response)
    expect(await lines('servable_requests_in_flight')).toEqual([
      'servable_requests_in_flight{model="iris"} 1',
      'servable_requests_in_flight{model="bad"} 0',
      'servable_requests_in_flight{model=""} 1',
    ])
  })

  it('do not grow with names that callers make up', async () => {
    const { metrics, lines } = openMetrics()
    const unknown = new InferenceError('not_found', 'Model with name x does not exist.')
    for (let index = 0; index < 1000; index += 1) {
      const call = callOf(`nope-${index}`, {}, false)
      metrics.onRequest(call)
      metrics.onError(call, unknown)
      metrics.countRefusal({ name: `nope-${index}` }, 'v1', 'infer', 'not_found')
      metrics.countRefusal({ name: 'iris', version: String(index + 100) }, 'v1', 'infer', 'not_found')
    }
    expect(await lines('servable_requests_total')).toHaveLength(3)
    expect((await metrics.expose()).text).not.toContain('nope')
  })
})

describe('model metrics', () => {
  it('tell state, memory, load time and placement', async () => {
    const { lines } = openMetrics()
    expect(await lines('servable_model_ready')).toEqual([
      'servable_model_ready{model="iris",version="2"} 1',
      'servable_model_ready{model="bad",version="1"} 0',
    ])
    expect(await lines('servable_model_memory_bytes{model="iris"')).toEqual([
      'servable_model_memory_bytes{model="iris",version="2"} 4096',
    ])
    expect(await lines('servable_model_load_seconds')).toEqual([
      'servable_model_load_seconds{model="iris",version="2"} 0.25',
    ])
    expect(await lines('servable_model_info')).toEqual([
      'servable_model_info{model="iris",version="2",runtime="onnx",device="cpu",placement="inline",device_reason="no \\"driver\\"\\nhere"} 1',
    ])
  })
})

describe('the exposition', () => {
  it('tells the build and the process, event loop included', async () => {
    const { metrics, lines } = openMetrics()
    expect(await lines('servable_build_info')).toEqual([
      `servable_build_info{version="1.2.3",node="${process.versions.node}"} 1`,
    ])
    const { contentType, text } = await metrics.expose()
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    for (const name of [
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_heap_size_used_bytes',
    ]) {
      expect(text).toContain(`\n${name} `)
    }
  })

  it('keeps two servers in one process apart', async () => {
    const left = openMetrics()
    const right = openMetrics()
    left.metrics.onRequest(callOf())
    left.metrics.onResponse(callOf(), response)
    expect(await left.lines('servable_requests_total')).toHaveLength(1)
    expect(await right.lines('servable_requests_total')).toHaveLength(0)
  })

  it('has help and a type for every metric, once', async () => {
    const { lines } = openMetrics()
    const names = (await lines('# TYPE')).map((line) => line.split(' ')[2])
    expect(new Set(names).size).toBe(names.length)
    expect((await lines('# HELP')).length).toBe(names.length)
  })
})

describe('a scrape of thousands of models', () => {
  it('lets others run in between, and tells of all', async () => {
    const models = Array.from({ length: 5000 }, (_, index) => ({ ...ready, ref: { name: `m${index}`, version: '1' } }))
    const { lines } = openMetrics(models)
    let turns = 0
    const turn = (): void => {
      turns += 1
      next = setImmediate(turn)
    }
    let next = setImmediate(turn)
    const found = await lines('servable_model_ready{')
    clearImmediate(next)
    expect(found).toHaveLength(5000)
    expect(turns).toBeGreaterThan(2)
  })
})
