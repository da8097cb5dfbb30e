/** How long joining many requests keeps the event loop: 128 of 10,000 floats. */
import { loop } from '../comparison.ts'
import { round, type Report } from '../report.ts'
import { inRounds, spreadOf, type RoundOptions } from '../rounds.ts'

const barMs = 5

/** A second of each suffices: nothing else takes part. */
export async function joining({ rounds }: RoundOptions): Promise<readonly Report[]> {
  const ours = 'join'
  const contenders = [loop(ours, 'join', ['join']), loop('Array concat', 'join', ['concat'])]
  const samples = await inRounds(contenders, { rounds, seconds: 1 })
  let isMet = false
  const rows = [...samples].map(([name, taken]) => {
    const times = spreadOf(taken.map(({ perSecond }) => 1000 / perSecond))
    if (name !== ours) return [name, round(times.median), `${round(times.least)} – ${round(times.most)}`, '']
    isMet = times.median < barMs
    const bar = `< ${barMs} ${isMet ? 'ok' : 'above'}`
    return [name, round(times.median), `${round(times.least)} – ${round(times.most)}`, bar]
  })
  const head = ['', 'ms', 'spread', 'bar']
  return [{ title: 'joining: 128 × 10,000 FP32 into one run', head, rows, verdicts: [{ name: 'joining', isMet }] }]
}
