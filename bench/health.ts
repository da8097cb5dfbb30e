/** Suite `health`: how long a liveness probe waits while a model of 100 ms is kept busy. */
import { request, Agent } from 'node:http'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from './load.ts'
import { round, type Report } from './report.ts'
import type { HttpRequest } from './requests.ts'
import type { RoundOptions } from './rounds.ts'
import { fixture, startServable, withServers } from './servers.ts'

/** A kubelet gives a probe one second; a hundredth of it leaves room for a busy node. */
const barMs = 10
const clients = 8
/** Probes come at this pace; an answer that takes longer counts for those that it kept waiting as well. */
const paceMs = 5
const path = '/v2/health/live'

const slow: HttpRequest = {
  method: 'POST',
  path: '/v2/models/slow-100ms/infer',
  headers: { 'Content-Type': 'application/json' },
  body: Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'INPUT0', shape: [1, 512], datatype: 'FP32', data: new Array<number>(512).fill(0.1) }],
    }),
  ),
}

/** Measures for as long as all rounds of another suite take together. */
export function run({ rounds, seconds }: RoundOptions): Promise<readonly Report[]> {
  const duration = Math.max(1, rounds * seconds)
  return withServers({ servable: () => startServable([dirname(fixture('slow-100ms'))]) }, async ({ servable }) => {
    const idle = await probe(servable.url, Math.min(2, duration) * 1000)
    const [busy, { perSecond, p50Ms }] = await Promise.all([
      probe(servable.url, duration * 1000),
      load(servable.url, slow, { connections: clients, seconds: duration }),
    ])
    const p99 = percentile(busy, 0.99)
    const isMet = p99 < barMs
    const row = (name: string, times: readonly number[], bar: string): readonly string[] => [
      name,
      String(times.length),
      ...[0.5, 0.99, 0.999, 1].map((fraction) => round(percentile(times, fraction))),
      bar,
    ]
    return [
      {
        title: `GET ${path} beside ${clients} clients of a 100 ms model (${round(perSecond)} answers per second, each after ${round(p50Ms)} ms)`,
        head: ['', 'probes', 'p50 ms', 'p99 ms', 'p99.9 ms', 'longest ms', 'bar p99'],
        rows: [row('idle', idle, ''), row('busy', busy, `< ${barMs} ms ${isMet ? 'ok' : 'below'}`)],
        verdicts: [{ name: 'health', isMet }],
      },
    ]
  })
}

/** Milliseconds of each answer, one probe after the other over one connection. */
async function probe(url: string, durationMs: number): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const times: number[] = []
  const end = performance.now() + durationMs
  try {
    while (performance.now() < end) {
      const started = performance.now()
      await get(url + path, agent)
      const took = performance.now() - started
      for (let waited = took; waited > 0; waited -= paceMs) times.push(waited)
      if (took < paceMs) await delay(paceMs - took)
    }
  } finally {
    agent.destroy()
  }
  return times
}

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent }, (response) => {
      response.resume()
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve()
        else reject(new Error(`invalid run: ${url} answered ${response.statusCode}`))
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

function percentile(times: readonly number[], fraction: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)] ?? NaN
}
