/** A model of 12 MB that is loaded and unloaded again and again: does its memory come back? */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerProcess } from '../child.ts'
import { round, type Report } from '../report.ts'
import { startServable } from '../servers.ts'
import { mebibyte, quieten, withFolder } from './folder.ts'
import { squareBytes, squareModel } from './square-model.ts'

const count = 500
/** Loads that compile code and fill buffers, which later ones use again. */
const warmUp = 50
/** Cycles whose median is taken: garbage comes and goes. */
const window = 25

export function cycles(): Promise<Report> {
  return withFolder(async (folder) => {
    mkdirSync(join(folder, 'square'))
    writeFileSync(join(folder, 'square', 'model.onnx'), squareModel())
    const server = await startServable([folder])
    try {
      await quieten(server.url)
      return await measure(server)
    } finally {
      await server.stop()
    }
  })
}

async function measure(server: ServerProcess): Promise<Report> {
  const resident: number[] = []
  const started = performance.now()
  for (let cycle = 0; cycle < count; cycle += 1) {
    await control(server, 'unload')
    resident.push(server.residentBytes() ?? NaN)
    await control(server, 'load')
  }
  const first = median(resident.slice(warmUp - window, warmUp))
  const last = median(resident.slice(-window))
  const rows = [
    ['first unload', round((resident[0] ?? NaN) / mebibyte)],
    [`around unload ${warmUp}`, round(first / mebibyte)],
    [`around unload ${count}`, round(last / mebibyte)],
    ['most', round(Math.max(...resident) / mebibyte)],
  ]
  const ms = (performance.now() - started) / count
  const title = `${count} loads and unloads of ${round(squareBytes / mebibyte)} MiB, ${round(ms)} ms each`
  const verdicts = [{ name: 'memory grows by less than one model', isMet: last - first < squareBytes }]
  return { title, head: ['unloaded', 'resident MiB'], rows, verdicts }
}

async function control(server: ServerProcess, verb: 'load' | 'unload'): Promise<void> {
  const response = await fetch(`${server.url}/v2/repository/models/square/${verb}`, { method: 'POST' })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${verb}: ${response.status} ${answer}`)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}
