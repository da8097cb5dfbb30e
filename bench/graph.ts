/** Suite `graph`: a Sequence of three iris models in process, beside three plain calls, and beside the same over loopback. */
import { dirname } from 'node:path'
import { loop } from './comparison.ts'
import { round, type Report, type Verdict } from './report.ts'
import { inRounds, spreadBy, spreadOf, type Contender, type RoundOptions, type Sample, type Spread } from './rounds.ts'
import { fixture } from './servers.ts'

/** Most time of the Sequence, in times of three plain calls. */
const overheadBar = 1.5
/** Least time over loopback, in times of the Sequence in process. */
const loopbackBar = 5

/** One request after the other: microseconds are the time of a request, and its processor time where nothing else runs. */
export async function run(options: RoundOptions): Promise<readonly Report[]> {
  const directory = dirname(fixture('iris-logreg'))
  const contender = (name: string, way: string): Contender => loop(name, 'graph', [way, directory])
  const plain = contender('three calls of the data plane', 'plain')
  const sequence = contender('Sequence in process', 'in-process')
  const loopback = contender('Sequence over HTTP loopback', 'loopback')
  const samples = await inRounds([plain, sequence, loopback], options)
  const taken = ({ name }: Contender): readonly Sample[] => samples.get(name) ?? []
  const overhead = timesOf(taken(sequence), taken(plain))
  const saving = timesOf(taken(loopback), taken(sequence))
  const title = 'Three iris models, one request after the other'
  const verdicts: Verdict[] = [
    { name: `${title}: ${sequence.name}`, isMet: overhead.median <= overheadBar },
    { name: `${title}: ${loopback.name}`, isMet: saving.median >= loopbackBar },
  ]
  const rows = [
    rowOf(plain.name, taken(plain), undefined, ''),
    rowOf(sequence.name, taken(sequence), overhead, judged('≤', overheadBar, verdicts[0])),
    rowOf(loopback.name, taken(loopback), timesOf(taken(loopback), taken(plain)), ''),
    ['loopback ÷ in process', '', '', '', times(saving), judged('≥', loopbackBar, verdicts[1])],
  ]
  return [{ title, head: ['', 'µs each', 'spread', 'CPU µs each', 'of three calls', 'bar'], rows, verdicts }]
}

function rowOf(name: string, samples: readonly Sample[], ratio: Spread | undefined, bar: string): readonly string[] {
  const us = spreadOf(samples.map(({ perSecond }) => 1e6 / perSecond))
  const cpuUs = spreadBy(samples, (sample) => sample.cpuUs)
  return [
    name,
    round(us.median),
    `${round(us.least)} – ${round(us.most)}`,
    round(cpuUs?.median),
    ratio === undefined ? '' : times(ratio),
    bar,
  ]
}

/** Processor time of each request in times of the other's in the same round: other programs on the machine hardly change it. */
function timesOf(samples: readonly Sample[], others: readonly Sample[]): Spread {
  return spreadOf(samples.map(({ cpuUs = NaN }, round) => cpuUs / (others[round]?.cpuUs ?? NaN)))
}

function times({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} × (${least.toFixed(2)} – ${most.toFixed(2)})`
}

function judged(sign: string, bar: number, verdict: Verdict | undefined): string {
  return `${sign} ${bar} × ${verdict?.isMet === true ? 'ok' : 'missed'}`
}
