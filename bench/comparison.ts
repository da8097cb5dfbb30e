/** One request against several servers and the bare runtime, side by side in one table. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ServerProcess } from './child.ts'
import { load, type LoadResult } from './load.ts'
import { pinned } from './machine.ts'
import { percent, round, type Report, type Verdict } from './report.ts'
import type { HttpRequest } from './requests.ts'
import {
  cpuRatioOf,
  inRounds,
  ratioOf,
  spreadBy,
  spreadOf,
  type Contender,
  type RoundOptions,
  type Sample,
} from './rounds.ts'

const usualConnections = 16

export interface Comparison {
  readonly title: string
  readonly contenders: readonly Contender[]
  /** The contender that all others are held against. */
  readonly baseline: string
  /** Least ratio to the baseline, by contender. */
  readonly bars: Readonly<Record<string, number>>
}

/** A server under load over REST. */
export function serverUnder(
  name: string,
  server: ServerProcess,
  request: HttpRequest,
  connections = usualConnections,
): Contender {
  return loaded(name, server, (seconds) => load(server.url, request, { connections, seconds }))
}

/** A server under any load. @param run loads it for some seconds */
export function loaded(name: string, server: ServerProcess, run: (seconds: number) => Promise<LoadResult>): Contender {
  return {
    name,
    async measure(seconds) {
      const before = server.cpuMs()
      const { requests, perSecond, p50Ms, p99Ms } = await run(seconds)
      const after = server.cpuMs()
      const cpuUs = before === undefined || after === undefined ? undefined : ((after - before) * 1000) / requests
      return { perSecond, p50Ms, p99Ms, ...(cpuUs === undefined ? {} : { cpuUs }) }
    },
  }
}

/**
 * A loop without a server: a program of targets/ in a process of its own on core 0, which takes the seconds as its last
 * argument and prints a sample.
 */
export function loop(name: string, program: 'runtime' | 'json' | 'join' | 'graph', args: readonly string[]): Contender {
  const file = fileURLToPath(new URL(`./targets/${program}.js`, import.meta.url))
  return {
    name,
    async measure(seconds) {
      const [command = '', ...rest] = pinned(0, [process.execPath, file, ...args, String(seconds)])
      const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
      const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
      if (child.exitCode !== 0) throw new Error(`invalid run: ${name} ended with status ${child.exitCode}`)
      return JSON.parse(output) as Sample // printed by loop-for.ts
    },
  }
}

export interface BareModel {
  readonly file: string
  readonly inputs: readonly string[]
  readonly shape: readonly number[]
  readonly datatype: 'float32' | 'int32'
}

/** onnxruntime-node alone, one call after the other: what a server of one core cannot pass without batching. */
export function bareRuntime({ file, inputs, shape, datatype }: BareModel): Contender {
  return loop('onnxruntime-node alone', 'runtime', [file, inputs.join(','), shape.join(','), datatype])
}

/** Takes the samples and makes a table of them; a bar is met by the median over the rounds. */
export async function compare(comparison: Comparison, options: RoundOptions): Promise<Report> {
  const { title, contenders, baseline, bars } = comparison
  const samples = await inRounds(contenders, options)
  const against = samples.get(baseline) ?? []
  const verdicts: Verdict[] = []
  const rows = [...samples].map(([name, taken]) => {
    const ratio = ratioOf(taken, against)
    const byCpu = cpuRatioOf(taken, against)
    const bar = bars[name]
    const isMet = bar === undefined || ratio.median >= bar
    if (bar !== undefined) verdicts.push({ name: `${title}: ${name}`, isMet })
    const rate = spreadOf(taken.map(({ perSecond }) => perSecond))
    return [
      name,
      round(rate.median),
      `${round(rate.least)} – ${round(rate.most)}`,
      round(spreadBy(taken, ({ p50Ms }) => p50Ms)?.median),
      round(spreadBy(taken, ({ p99Ms }) => p99Ms)?.median),
      round(spreadBy(taken, ({ cpuUs }) => cpuUs)?.median),
      percent(ratio.median),
      `${percent(ratio.least)} – ${percent(ratio.most)}`,
      byCpu === undefined ? '-' : percent(byCpu.median),
      bar === undefined ? '' : `≥ ${percent(bar)} ${isMet ? 'ok' : 'below'}`,
    ]
  })
  const head = [
    '',
    'per second',
    'spread',
    'p50 ms',
    'p99 ms',
    'CPU µs each',
    `of ${baseline}`,
    'spread',
    'by CPU',
    'bar',
  ]
  return { title, head, rows, verdicts }
}
