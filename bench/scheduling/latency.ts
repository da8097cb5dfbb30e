/** What batching costs a client that is alone: its latency beside that of a server that does not batch. */
import { round, type Report, type Verdict } from '../report.ts'
import { inRounds, spreadOf, type RoundOptions } from '../rounds.ts'
import { startServable, withServers } from '../servers.ts'
import { closedUnder } from './load.ts'
import { rowsRequest, type BenchModel, type Models } from './models.ts'

const bar = 1.15

export async function latency({ digits, mlps }: Models, options: RoundOptions): Promise<readonly Report[]> {
  const rows: (readonly string[])[] = []
  const verdicts: Verdict[] = []
  for (const model of [digits, ...mlps]) {
    const { row, isMet } = await measure(model, options)
    rows.push(row)
    verdicts.push({ name: `latency: ${model.name}`, isMet })
  }
  const head = ['', 'median ms', 'batching off ms', 'ratio', 'spread', 'bar']
  return [{ title: 'latency: one client, one row', head, rows, verdicts }]
}

function measure(
  model: BenchModel,
  options: RoundOptions,
): Promise<{ readonly row: readonly string[]; readonly isMet: boolean }> {
  const starts = {
    batching: () => startServable([model.directory], { core: 'any' }),
    single: () => startServable([model.directory], { core: 'any', flags: ['--batching', 'off'] }),
  }
  return withServers(starts, async ({ batching, single }) => {
    const load = { request: rowsRequest(model, 1), clients: 1, rows: 1 }
    const contenders = [closedUnder('on', batching, load), closedUnder('off', single, load)]
    const samples = await inRounds(contenders, options)
    const medians = (name: string): readonly number[] => (samples.get(name) ?? []).map(({ p50Ms }) => p50Ms ?? NaN)
    const [on, off] = [medians('on'), medians('off')]
    const ratio = spreadOf(on.map((ms, index) => ms / (off[index] ?? NaN)))
    const isMet = ratio.median <= bar
    const row = [
      model.name,
      round(spreadOf(on).median),
      round(spreadOf(off).median),
      round(ratio.median),
      `${round(ratio.least)} – ${round(ratio.most)}`,
      `≤ ${bar} ${isMet ? 'ok' : 'above'}`,
    ]
    return { row, isMet }
  })
}
