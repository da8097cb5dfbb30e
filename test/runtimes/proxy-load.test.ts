/** vLLM servers behind the proxy: the one that has the fewest requests is asked. */
import { createServer, type Server } from 'node:http'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { LoadWatch } from '../../runtimes/proxy/load-watch.ts'
import { HttpUpstream } from '../../runtimes/proxy/http-exchange.ts'
import { openOpenAi } from '../../runtimes/proxy/openai-wire.ts'
import { Pool } from '../../runtimes/proxy/pool.ts'
import { requestsAt } from '../../runtimes/proxy/vllm-load.ts'
import { portOf } from '../../src/server/addresses.ts'

const servers: Server[] = []
afterAll(() => servers.forEach((server) => server.close()))

const metricsOf = (waiting: number, running: number): string =>
  [
    '# HELP vllm:num_requests_waiting Number of requests waiting to be processed.',
    '# TYPE vllm:num_requests_waiting gauge',
    `vllm:num_requests_waiting{engine="0",model_name="a b {c} 7"} ${waiting.toFixed(1)}`,
    `vllm:num_requests_running{engine="0",model_name="a"} ${running.toFixed(1)}`,
    'vllm:num_requests_waiting_by_reason{reason="capacity"} 90.0',
    '',
  ].join('\n')

/** A server with these metrics, or none. @returns its address */
async function serve(metrics: () => string | undefined): Promise<string> {
  const server = createServer((request, response) => {
    const text = request.url === '/metrics' ? metrics() : undefined
    response.writeHead(text === undefined ? 404 : 200).end(text)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${portOf(server)}`
}

const context = { requestId: '', protocol: 'library', signal: new AbortController().signal, headers: {} } as const

function poolOf(urls: readonly string[], hasMetrics: boolean, now: () => number) {
  const target = { local: { name: 'm', version: '1' }, remote: { name: 'm' } }
  const wires = urls.map((url) => {
    const upstream = new HttpUpstream({ url, connectTimeoutMs: 1000, maxResponseBytes: 1000 })
    return openOpenAi(upstream, target, { readyPath: '/health', hasMetrics })
  })
  const pool = new Pool(wires, {
    name: 'm',
    timeoutMs: 1000,
    retries: 0,
    isSentRetried: false,
    maxInFlight: 100,
    breaker: { failures: 5, openMs: 1000 },
    headersFor: () => ({}),
    now,
  })
  return { pool, watch: new LoadWatch(pool.upstreams, {}) }
}

describe('several vLLM servers', () => {
  const texts: (string | undefined)[] = []
  let urls: readonly string[] = []
  let nowMs = 0
  beforeEach(async () => {
    texts.splice(0)
    urls = await Promise.all([0, 1].map((at) => serve(() => texts[at])))
  })

  const asked = async (pool: ReturnType<typeof poolOf>['pool'], calls = 6): Promise<readonly number[]> => {
    const seen: number[] = []
    for (let call = 0; call < calls; call += 1) {
      await pool.run(context, async ({ url }) => {
        seen.push(urls.findIndex((each) => url.startsWith(each)))
        return await Promise.resolve({ headers: {} })
      })
    }
    return [...new Set(seen)].toSorted()
  }

  it('are asked by what waits and runs there, and in turn where it is the same', async () => {
    const { pool, watch } = poolOf(urls, true, () => nowMs)
    texts.push(metricsOf(3, 0), metricsOf(0, 2))
    await watch.look()
    expect(await asked(pool)).toEqual([1])
    texts.splice(0, 2, metricsOf(0, 1), metricsOf(2, 0))
    await watch.look()
    expect(await asked(pool)).toEqual([0])
    texts.splice(0, 2, metricsOf(0, 0), metricsOf(0, 0))
    await watch.look()
    expect(await asked(pool)).toEqual([0, 1])
    watch.close()
    pool.close()
  })

  it('are asked in turn once what they said is old, or where they say nothing', async () => {
    const { pool, watch } = poolOf(urls, true, () => nowMs)
    texts.push(metricsOf(3, 0), metricsOf(0, 0))
    await watch.look()
    expect(await asked(pool)).toEqual([1])
    texts.splice(0, 2, undefined, 'x'.repeat(4_000_001))
    nowMs += 10_001
    await watch.look()
    expect(await asked(pool)).toEqual([0, 1])
    watch.close()
    pool.close()
  })

  it('do not count requests from here twice', async () => {
    const { pool, watch } = poolOf(urls, true, () => nowMs)
    const [first] = pool.upstreams
    texts.push(metricsOf(0, 2), metricsOf(0, 0))
    first?.begin()
    first?.begin()
    await watch.look()
    expect(first?.load).toBe(2)
    first?.withdrawn()
    first?.withdrawn()
    expect(first?.load).toBe(0)
    watch.close()
    pool.close()
  })

  it('are found below a base URL with the prefix of OpenAI', async () => {
    const { pool, watch } = poolOf(
      urls.map((url) => `${url}/v1`),
      true,
      () => nowMs,
    )
    texts.push(metricsOf(3, 0), metricsOf(0, 0))
    await watch.look()
    expect(await asked(pool)).toEqual([1])
    watch.close()
    pool.close()
  })

  it('of other kinds are not asked for metrics', () => {
    const { pool } = poolOf(urls, false, () => nowMs)
    expect(pool.upstreams.map(({ wire }) => 'requests' in wire)).toEqual([false, false])
    pool.close()
  })
})

describe('the metrics of vLLM', () => {
  it('are read whatever else they hold', () => {
    expect(requestsAt(metricsOf(3, 2))).toBe(5)
    expect(requestsAt('vllm:num_requests_waiting 1e+1\nvllm:num_requests_waiting{engine="1"} 2 1700000000\n')).toBe(12)
    expect(requestsAt('vllm:num_requests_running 3\n')).toBeUndefined()
    expect(requestsAt('vllm:num_requests_waiting NaN\n# vllm:num_requests_waiting 3\n')).toBeUndefined()
  })
})
