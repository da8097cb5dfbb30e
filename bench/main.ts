/** Program: `npm run bench`, every suite or those named; ratios between contenders of one run, bars beside them. */
import { parseArgs } from 'node:util'
import * as density from './density.ts'
import * as graph from './graph.ts'
import * as grpc from './grpc.ts'
import * as health from './health.ts'
import * as json from './json.ts'
import { wrk } from './load.ts'
import { describeMachine } from './machine.ts'
import { render, type Report, type Verdict } from './report.ts'
import * as rest from './rest.ts'
import * as rollout from './rollout.ts'
import type { RoundOptions } from './rounds.ts'
import * as runtimes from './runtimes.ts'
import * as scheduling from './scheduling.ts'
import * as start from './start.ts'

/** Tables all at once, or each as soon as it is there. */
type Suite = (options: RoundOptions, only?: string) => Promise<readonly Report[]> | AsyncIterable<Report>

const suites: Readonly<Record<string, Suite>> = {
  rest: rest.run,
  json: json.run,
  graph: graph.run,
  grpc: grpc.run,
  health: health.run,
  start: start.run,
  scheduling: scheduling.run,
  rollout: rollout.run,
  density: density.run,
  runtimes: runtimes.run,
}

const help = `Usage: npm run bench -- [options]

  --suite <names>    ${Object.keys(suites).join(', ')}; several with commas; all where absent
  --only <text>      of the suites rest, grpc and runtimes, only the comparisons whose title has this text;
                     of the suites scheduling and density, only the parts with these names, with commas
  --seconds <n>      length of one measurement, 3 where absent; the suites rollout and density take 20 times as long
  --rounds <n>       measurements of each contender, 3 where absent
  --strict           exit with status 1 where a bar is missed
`

process.exitCode = await main(process.argv.slice(2))

/** @returns exit status: 1 where a run was invalid, or, with --strict, a bar was missed */
async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      suite: { type: 'string' },
      only: { type: 'string' },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '3' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const options: RoundOptions = { seconds: Number(values.seconds), rounds: Number(values.rounds) }
  const names = values.suite?.split(',') ?? Object.keys(suites)
  const isUsable = Number.isInteger(options.seconds) && options.seconds > 0 && options.rounds > 0
  if (values.help || !isUsable || names.some((name) => suites[name] === undefined)) {
    console.log(help)
    return values.help ? 0 : 1
  }
  console.log(`${describeMachine()}; load by ${wrk === undefined ? 'autocannon' : 'wrk'}`)
  return runSuites(names, options, values.only, values.strict)
}

async function runSuites(
  names: readonly string[],
  options: RoundOptions,
  only: string | undefined,
  isStrict: boolean,
): Promise<number> {
  const verdicts: Verdict[] = []
  let isValid = true
  for (const name of names) {
    try {
      for await (const report of tables(suites[name]?.(options, only))) {
        console.log(render(report))
        verdicts.push(...report.verdicts)
      }
    } catch (reason) {
      isValid = false
      console.error(`\nsuite ${name}: ${reason instanceof Error ? reason.message : String(reason)}`)
    }
  }
  const missed = verdicts.filter(({ isMet }) => !isMet)
  for (const verdict of missed) console.log(`below its bar: ${verdict.name}`)
  if (missed.length === 0 && verdicts.length > 0) console.log('every bar is met')
  return !isValid || (isStrict && missed.length > 0) ? 1 : 0
}

async function* tables(found: ReturnType<Suite> | undefined): AsyncIterable<Report> {
  if (found !== undefined) yield* found instanceof Promise ? await found : found
}
