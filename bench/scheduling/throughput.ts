/** Rows per second of 32 clients beside onnxruntime-node alone, which runs its best batch again and again. */
import { compare, loop } from '../comparison.ts'
import { round, type Report } from '../report.ts'
import type { Contender, RoundOptions } from '../rounds.ts'
import { startServable, withServers } from '../servers.ts'
import { closedUnder } from './load.ts'
import { bestBatch, clients, lineOf, rowsRequest, timeOf, type BenchModel, type Models } from './models.ts'

const bar = 0.9
/** A request of one row costs the door more than the digits cost the model; with this many it is the model that is measured. */
const digitsRows = 32

export async function throughput({ digits, mlps }: Models, options: RoundOptions): Promise<readonly Report[]> {
  const reports: Report[] = []
  reports.push(await measure(digits, 1, undefined, options))
  reports.push(await measure(digits, digitsRows, bar, options))
  for (const mlp of mlps) reports.push(await measure(mlp, 1, bar, options))
  return reports
}

function measure(model: BenchModel, rows: number, least: number | undefined, options: RoundOptions): Promise<Report> {
  const { alphaMs, betaMs } = lineOf(model.runs)
  const best = bestBatch(model, clients)
  const baseline = `onnxruntime-node, ${best.rows} rows`
  const start = () => startServable([model.directory], { core: 'any' })
  return withServers({ servable: start }, ({ servable }) =>
    compare(
      {
        title:
          `throughput: ${model.name}, ${clients} clients × ${rows} rows, in rows; ` +
          `one row ${round(timeOf(model, 1))} ms, α ${round(alphaMs)} ms, β ${round(betaMs)} ms`,
        contenders: [
          closedUnder('servable', servable, { request: rowsRequest(model, rows), clients, rows }),
          bare(baseline, model, best.rows),
        ],
        baseline,
        bars: least === undefined ? {} : { servable: least },
      },
      options,
    ),
  )
}

/** One run after the other on core 0, in rows. */
function bare(name: string, { file, input, row }: BenchModel, rows: number): Contender {
  const inner = loop(name, 'runtime', [file, input, [rows, ...row].join(','), 'float32'])
  return {
    name,
    async measure(seconds) {
      const { perSecond, cpuUs } = await inner.measure(seconds)
      return { perSecond: perSecond * rows, ...(cpuUs === undefined ? {} : { cpuUs: cpuUs / rows }) }
    },
  }
}
