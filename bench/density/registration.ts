/** Ten thousand models that nobody has asked for yet. */
import { round, type Report } from '../report.ts'
import type { RoundOptions } from '../rounds.ts'
import { startServable } from '../servers.ts'
import { mebibyte, withFolder, writeCopies } from './folder.ts'

const models = 10_000
const mostMs = 2000
const mostBytes = 200e6

export async function registration({ rounds }: RoundOptions): Promise<Report> {
  const few = await withFolder((folder) => starts(folder, 1, rounds))
  const many = await withFolder((folder) => starts(folder, models, rounds))
  const ms = many.readyMs - few.readyMs
  const bytes = many.resident - few.resident
  const row = (name: string, { readyMs, resident }: Start) => [name, round(readyMs), round(resident / mebibyte)]
  return {
    title: `Registration of ${models} models: ${round(ms)} ms and ${round(bytes / mebibyte)} MiB beside a server with one`,
    head: ['', 'ready after ms', 'resident MiB'],
    rows: [row('one model', few), row(`${models} models`, many)],
    verdicts: [
      { name: `${models} registered in under ${mostMs} ms`, isMet: ms < mostMs },
      { name: `${models} registered in under ${mostBytes / 1e6} MB`, isMet: bytes < mostBytes },
    ],
  }
}

interface Start {
  readonly readyMs: number
  readonly resident: number
}

/** The quickest of so many starts: a busy machine only adds. */
async function starts(folder: string, count: number, rounds: number): Promise<Start> {
  writeCopies(folder, count)
  const all: Start[] = []
  for (let time = 0; time < rounds; time += 1) {
    const server = await startServable([folder], { flags: ['--load', 'lazy'] })
    all.push({ readyMs: server.readyMs, resident: server.residentBytes() ?? NaN })
    await server.stop()
  }
  return {
    readyMs: Math.min(...all.map(({ readyMs }) => readyMs)),
    resident: Math.max(...all.map(({ resident }) => resident)),
  }
}
