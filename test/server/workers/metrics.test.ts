/** Metrics and statistics of several processes, added up. */
import { describe, expect, it } from 'vitest'
import { addMetrics, lasting } from '../../../src/server/workers/add-metrics.ts'
import { addStatistics } from '../../../src/server/workers/add-statistics.ts'
import { formatMetrics, parseMetrics } from '../../../src/server/workers/metrics-text.ts'

const text = (requests: number, extra = ''): string => `# HELP r_total Requests, by "code".
# TYPE r_total counter
r_total{model="a \\"b\\" {c}",code="ok"} ${requests}

# HELP d Duration.
# TYPE d histogram
d_bucket{le="0.1",model="m"} ${requests}
d_bucket{le="+Inf",model="m"} ${requests + 1}
d_sum{model="m"} 1.5
d_count{model="m"} ${requests + 1}
${extra}`

const families = (...texts: string[]) =>
  texts.map((own, index) => ({ worker: String(index + 1), families: parseMetrics(own) }))
const added = (...texts: string[]): string => formatMetrics(addMetrics(families(...texts)))
const gauge = (name: string, value: number): string => `# HELP ${name} x\n# TYPE ${name} gauge\n${name} ${value}\n`

describe('the text format', () => {
  it('is read and written without a change', () => {
    const given = `${text(3)}\n# HELP i x\n# TYPE i gauge\ni NaN\ni{a="1"} +Inf\ni{a="2"} -Inf\ni{a="3"} 1e-9\n`
    expect(formatMetrics(parseMetrics(given)).trim()).toBe(given.replaceAll(/\n\n+/g, '\n\n').trim())
  })

  it('knows which family a line belongs to', () => {
    expect(parseMetrics(text(1)).map(({ name, type, samples }) => [name, type, samples.length])).toEqual([
      ['r_total', 'counter', 1],
      ['d', 'histogram', 4],
    ])
  })
})

describe('metrics', () => {
  it('adds counters and histograms by their labels', () => {
    expect(added(text(2), text(5))).toContain('r_total{model="a \\"b\\" {c}",code="ok"} 7')
    expect(added(text(2), text(5))).toContain('d_bucket{le="+Inf",model="m"} 9')
    expect(added(text(2), text(5))).toContain('d_sum{model="m"} 3')
  })

  it('takes labels in any order for the same', () => {
    const one = '# TYPE c counter\nc{a="1",b="2"} 1\n'
    const other = '# TYPE c counter\nc{b="2",a="1"} 1\n'
    expect(added(one, other)).toContain('c{a="1",b="2"} 2')
  })

  it.each([
    ['servable_requests_in_flight', 5],
    ['servable_model_memory_bytes', 5],
    ['servable_model_ready', 2],
    ['servable_build_info', 3],
    ['servable_model_load_seconds', 3],
  ])('makes of %s 2 and 3: %d', (name, value) => {
    expect(added(gauge(name, 2), gauge(name, 3))).toContain(`\n${name} ${value}`)
  })

  it('tells the processes apart where a metric is about the process', () => {
    const sum = added(gauge('process_resident_memory_bytes', 2), gauge('process_resident_memory_bytes', 3))
    expect(sum).toContain('process_resident_memory_bytes{worker="1"} 2')
    expect(sum).toContain('process_resident_memory_bytes{worker="2"} 3')
  })

  it('keeps of a process that has ended its counters and nothing else', () => {
    const [first, second] = families(text(2, gauge('servable_requests_in_flight', 4)), text(1))
    if (first === undefined || second === undefined) throw new Error('two were given')
    const sum = formatMetrics(addMetrics([second, lasting(first)]))
    expect(sum).toContain('code="ok"} 3')
    expect(sum).not.toContain('in_flight')
  })
})

describe('statistics', () => {
  const of = (count: number, last: number, rows: number) => ({
    name: 'm',
    version: '1',
    last_inference: last,
    inference_count: count,
    inference_stats: { success: { count, ns: count * 10 } },
    response_stats: {},
    batch_stats: [{ batch_size: rows, compute_infer: { count, ns: count } }],
    memory_usage: [{ type: 'CPU', id: 0, byte_size: 100 }],
  })

  it('adds what counts, by version and batch size, and takes the latest time', () => {
    expect(addStatistics([[of(1, 5, 4)], [of(2, 9, 1), { ...of(1, 1, 1), version: '2' }], [of(4, 7, 4)]])).toEqual([
      {
        ...of(7, 9, 0),
        batch_stats: [
          { batch_size: 1, compute_infer: { count: 2, ns: 2 } },
          { batch_size: 4, compute_infer: { count: 5, ns: 5 } },
        ],
        memory_usage: [{ type: 'CPU', id: 0, byte_size: 300 }],
      },
      { ...of(1, 1, 1), version: '2' },
    ])
  })
})
