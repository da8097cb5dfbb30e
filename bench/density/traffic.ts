/** 2,000 models under a budget that holds 200: what misses wait, what hits cost, and what is really resident. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerProcess } from '../child.ts'
import { randomFrom } from '../generator/arrivals.ts'
import { Histogram } from '../generator/histogram.ts'
import { round, type Report, type Verdict } from '../report.ts'
import type { RoundOptions } from '../rounds.ts'
import { startServable } from '../servers.ts'
import { runClients, zipf } from './clients.ts'
import { copyOf, irisBody, mebibyte, quieten, withFolder, writeCopies } from './folder.ts'

const models = 2000
const budgetBytes = 52 * mebibyte
/** What the budget shall hold at least. */
const leastLoaded = 200
/** Fewer than it holds, so that each request finds its model loaded. */
const hot = 100
const clients = 32
/** Of the run, in times of `--seconds`, which are 3 where nobody says otherwise: 60 seconds. */
const long = 20
const mostMissMs = 250
/** Of the cost of a request to a server that holds all of its models. */
const mostHitCost = 1.1
const sampleMs = 50
/** All cores, and a heap of a size that hides the models less: how much garbage it keeps depends on how much there is to do. */
const surroundings = { core: 'any', node: ['--max-old-space-size=128'] } as const
/** Before anything is measured: until most code is compiled. */
const warmUpMs = 5000

interface Run {
  readonly requests: number
  readonly failed: number
  readonly latency: Histogram
  readonly cpuUs: number
  readonly mostResident: number
}

export function traffic({ seconds }: RoundOptions): Promise<Report> {
  return withFolder(async (folder) => {
    writeCopies(folder, models)
    // As long: what is counted of each model that was ever asked for is there in both.
    const baseline = await withoutRoom(folder, seconds * long * 1000)
    const server = await startServable([folder], {
      flags: ['--memory-budget', String(budgetBytes)],
      ...surroundings,
    })
    try {
      await quieten(server.url)
      await load(server, warmUpMs, models)
      const before = await missesOf(server)
      const all = await load(server, seconds * long * 1000, models)
      const after = await missesOf(server)
      const misses = { count: after.count - before.count, late: after.late - before.late }
      const loaded = await gauge(server, 'servable_models{state="loaded"}')
      await load(server, 1000, hot)
      const hits = await load(server, seconds * 2000, hot)
      const without = await hotAlone(folder, seconds * 2000)
      return reportOf({ all, hits, without, misses, loaded, baseline })
    } finally {
      await server.stop()
    }
  })
}

/** What the server takes under the same traffic with room for a handful of models: its own code, heap and buffers. */
async function withoutRoom(folder: string, ms: number): Promise<number> {
  const server = await startServable([folder], { flags: ['--memory-budget', String(mebibyte)], ...surroundings })
  try {
    await quieten(server.url)
    return (await load(server, warmUpMs + ms, models)).mostResident
  } finally {
    await server.stop()
  }
}

/** The same requests to a server that has as many models, and no budget. */
async function hotAlone(folder: string, ms: number): Promise<Run> {
  const server = await startServable([folder], { flags: ['--load', 'lazy'], ...surroundings })
  try {
    await quieten(server.url)
    await load(server, 1000, hot)
    return await load(server, ms, hot)
  } finally {
    await server.stop()
  }
}

async function load(server: ServerProcess, ms: number, among: number): Promise<Run> {
  const next = zipf(among, randomFrom(7))
  const latency = new Histogram()
  let [requests, failed, mostResident] = [0, 0, 0]
  const end = performance.now() + ms
  const cpu = server.cpuMs() ?? NaN
  const isOn = (): boolean => performance.now() < end
  const sampling = (async () => {
    while (isOn()) {
      mostResident = Math.max(mostResident, server.residentBytes() ?? NaN)
      await delay(sampleMs)
    }
  })()
  await runClients(server.url, {
    clients,
    isOn,
    next: () => `/v2/models/${copyOf(next())}/infer`,
    body: irisBody,
    answered: ({ ms: took, status, text }) => {
      requests += 1
      if (status !== 200) failed += 1
      if (status !== 200 && failed <= 3) console.error(`density: ${status} ${text.slice(0, 200)}`)
      latency.record(took)
    },
  })
  await sampling
  return { requests, failed, latency, mostResident, cpuUs: (((server.cpuMs() ?? NaN) - cpu) * 1000) / requests }
}

/** As the server told them. */
async function missesOf(server: ServerProcess): Promise<{ readonly count: number; readonly late: number }> {
  const count = await gauge(server, 'servable_load_wait_seconds_count')
  return { count, late: count - (await gauge(server, `servable_load_wait_seconds_bucket{le="${mostMissMs / 1000}"}`)) }
}

async function gauge(server: ServerProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? NaN)
}

interface Found {
  readonly all: Run
  readonly hits: Run
  readonly without: Run
  readonly misses: { readonly count: number; readonly late: number }
  readonly loaded: number
  readonly baseline: number
}

function reportOf({ all, hits, without, misses, loaded, baseline }: Found): Report {
  const share = misses.count / all.requests
  // As if the slowest of all were misses: what clients saw, and no less than it was.
  const missMs = all.latency.percentile(1 - 0.01 * share)
  const grown = all.mostResident - baseline
  const cost = hits.cpuUs / without.cpuUs
  const verdicts: Verdict[] = [
    { name: 'no request failed', isMet: all.failed + hits.failed + without.failed === 0 },
    { name: `the budget holds ${leastLoaded}`, isMet: loaded >= leastLoaded },
    { name: 'resident memory within the budget', isMet: grown <= budgetBytes },
    { name: `misses: p99 under ${mostMissMs} ms`, isMet: missMs < mostMissMs && misses.late <= misses.count * 0.01 },
    { name: `hits at ${mostHitCost} times the cost of loaded models`, isMet: cost <= mostHitCost },
  ]
  const row = (name: string, { requests, latency, cpuUs }: Run): readonly string[] => [
    name,
    String(requests),
    round(latency.percentile(0.5)),
    round(latency.percentile(0.99)),
    round(cpuUs),
  ]
  const rows = [
    row(`Zipf over ${models}`, all),
    [`misses (${(share * 100).toFixed(0)} %)`, String(misses.count), '-', round(missMs), '-'],
    row(`Zipf over ${hot} of them, all loaded`, hits),
    row(`the same without a budget`, without),
  ]
  const memory = `at most ${round(all.mostResident / mebibyte)} MiB resident, ${round(grown / mebibyte)} more than with a budget of 1 MiB`
  const title = `${models} models from ${clients} clients, ${loaded} loaded at the end; ${memory}; hits cost ${round(cost)} times`
  return { title, head: ['', 'requests', 'p50 ms', 'p99 ms', 'CPU µs each'], rows, verdicts }
}
