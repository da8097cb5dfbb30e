/** Suite `start`: from spawn to ready with iris, and the memory of an idle server. No bar: the figures are told. */
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerProcess } from './child.ts'
import { round, type Report } from './report.ts'
import { spreadOf, type RoundOptions } from './rounds.ts'
import { fixture, startServable, startTarget } from './servers.ts'

/** Garbage of the start is not memory of the idle server: this leaves time to collect some. */
const idleMs = 2000
const mebibyte = 2 ** 20

interface Start {
  readonly readyMs: number
  readonly residentMiB: number
}

/** @param options as many starts as rounds */
export async function run({ rounds }: RoundOptions): Promise<readonly Report[]> {
  const file = fixture('iris-logreg')
  const rows: string[][] = []
  for (const [name, start] of [
    ['servable with iris', () => startServable([dirname(file)])],
    ['fastify, naive handler', () => startTarget('naive', file)],
    ['fastify echo', () => startTarget('fastify', 'echo')],
  ] as const) {
    const starts: Start[] = []
    for (let turn = 0; turn < rounds; turn += 1) starts.push(await measure(start))
    const ready = spreadOf(starts.map(({ readyMs }) => readyMs))
    const memory = spreadOf(starts.map(({ residentMiB }) => residentMiB))
    rows.push([name, round(ready.median), `${round(ready.least)} – ${round(ready.most)}`, round(memory.median)])
  }
  return [{ title: 'Cold start', head: ['', 'ready after ms', 'spread', 'idle memory MiB'], rows, verdicts: [] }]
}

async function measure(start: () => Promise<ServerProcess>): Promise<Start> {
  const server = await start()
  try {
    await delay(idleMs)
    return { readyMs: server.readyMs, residentMiB: (server.residentBytes() ?? NaN) / mebibyte }
  } finally {
    await server.stop()
  }
}
