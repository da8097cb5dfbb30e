/** More requests than can be answered, and bursts of them: how many are answered in time, and how soon the queue is empty. */
import { randomOf, replay } from '../../test/scheduling/simulation.ts'
import type { ServerProcess } from '../child.ts'
import type { Generated } from '../generator/account.ts'
import { arrivals } from '../generator/arrivals.ts'
import type { Target } from '../generator/generate.ts'
import { runGenerator } from '../generator/run.ts'
import { percent, round, type Report, type Verdict } from '../report.ts'
import type { RoundOptions } from '../rounds.ts'
import { startServable, withServers } from '../servers.ts'
import { closedRun } from './load.ts'
import { bestBatch, lineOf, rowsCall, rowsRequest, timeOf, type BenchModel, type Models } from './models.ts'

/** Of all requests at 1.2 times the capacity; 1 / 1.2 = 83 % is the most. */
const overloadBar = 0.75
/** Of bursty load, below what the simulation gives. */
const simulationBar = 0.1
const drainBarMs = 1000

/** The SLO is so many times what one row takes in the server. */
const sloRuns = 10
/** Clients that fill the queue to measure the capacity. */
const clients = 64
/** Most rows of a run, as the server has it where nobody says otherwise. */
const maxRows = 128
const seed = 11

interface Scenario {
  readonly process: 'poisson' | 'bursty'
  /** Of the capacity. */
  readonly load: number
  /** Lengths of one measurement that it takes. */
  readonly times: number
}

interface Plan {
  readonly door: 'rest' | 'grpc'
  readonly scenarios: readonly Scenario[]
}

/** A minute of overload for one model, less than half of it for the other, where a measurement takes three seconds. */
const plans: readonly Plan[] = [
  {
    door: 'rest',
    scenarios: [
      { process: 'poisson', load: 1.2, times: 20 },
      { process: 'bursty', load: 0.9, times: 12 },
    ],
  },
  {
    door: 'grpc',
    scenarios: [
      { process: 'poisson', load: 1.2, times: 8 },
      { process: 'bursty', load: 0.9, times: 8 },
    ],
  },
]

export async function overload({ mlps }: Models, options: RoundOptions): Promise<readonly Report[]> {
  const reports: Report[] = []
  for (const [index, model] of mlps.entries()) {
    const plan = plans[index]
    if (plan !== undefined) reports.push(await measure(model, plan, options))
  }
  return reports
}

/** What a model is held against. */
interface Ground {
  readonly model: BenchModel
  readonly sloMs: number
  /** Of the server, in rows per second. */
  readonly capacity: number
  /** What runs take in the server over what they take alone. */
  readonly slowness: number
}

async function measure(model: BenchModel, { door, scenarios }: Plan, { seconds }: RoundOptions): Promise<Report> {
  const plain = () => startServable([model.directory], { core: 'any' })
  const capacity = await withServers({ plain }, (servers) => capacityOf(servers.plain, model, seconds))
  const slowness = slownessOf(model, capacity)
  const ground = { model, capacity, slowness, sloMs: Math.round(sloRuns * slowness * timeOf(model, 1)) }
  const flags = ['--slo-ms', String(ground.sloMs)]
  const limited = () => startServable([model.directory], { core: 'any', flags })
  const judged = await withServers({ limited }, async (servers) => {
    const all: Judged[] = []
    const target = targetOf(servers.limited, model, door)
    await runGenerator({ target, load: { kind: 'closed', clients: 8 }, seconds: 1 }) // the first calls run uncompiled
    for (const scenario of scenarios) {
      all.push(judge(ground, scenario, await loadOpen(target, ground, scenario, seconds)))
    }
    return all
  })
  const ofBare = percent(capacity / bestBatch(model, clients).perSecond)
  const title =
    `overload: ${model.name} over ${door === 'rest' ? 'REST' : 'gRPC'}, capacity ${round(capacity)} rows per second (${ofBare} of onnxruntime-node alone), ` +
    `SLO ${ground.sloMs} ms`
  return { title, head, rows: judged.map(({ row }) => row), verdicts: judged.flatMap(({ verdicts }) => verdicts) }
}

/** Rows per second of clients that wait for their answers, once the server has learned what runs take. */
async function capacityOf(server: ServerProcess, model: BenchModel, seconds: number): Promise<number> {
  const request = rowsRequest(model, 1)
  await closedRun(server, request, clients, Math.min(2, seconds))
  return (await closedRun(server, request, clients, seconds)).perSecond
}

function targetOf({ url, grpc }: ServerProcess, model: BenchModel, door: Plan['door']): Target {
  return door === 'rest'
    ? { kind: 'rest', url, request: rowsRequest(model, 1) }
    : { kind: 'grpc', address: grpc, request: rowsCall(model, 1) }
}

function loadOpen(
  target: Target,
  { capacity, sloMs }: Ground,
  { process, load, times }: Scenario,
  seconds: number,
): Promise<Generated> {
  const open = { kind: 'open', process, perSecond: load * capacity, seed } as const
  return runGenerator({ target, load: open, seconds: times * seconds, sloMs })
}

const head = [
  '',
  'requests',
  'in time',
  'simulated',
  'other outcomes',
  'p50 ms',
  'p99 ms',
  'late p99 ms',
  'empty after ms',
  'bar',
]

interface Judged {
  readonly row: readonly string[]
  readonly verdicts: readonly Verdict[]
}

function judge(ground: Ground, scenario: Scenario, account: Generated): Judged {
  const { process, load } = scenario
  const name = `${load} × capacity, ${process}`
  const share = account.good / account.requests
  const simulated = simulatedShare(ground, scenario, account.seconds)
  const bar = load > 1 ? overloadBar : simulated - simulationBar
  const isShareMet = share >= bar
  const isDrainMet = account.drainMs < drainBarMs
  const isValid = account.invalid === undefined
  const row = [
    name,
    round(account.requests),
    percent(share),
    percent(simulated),
    Object.entries(account.outcomes)
      .filter(([outcome]) => outcome !== '200' && outcome !== 'grpc 0')
      .map(([outcome, count]) => `${outcome}: ${count}`)
      .join(', '),
    round(account.p50Ms),
    round(account.p99Ms),
    round(account.latenessP99Ms),
    round(account.drainMs),
    account.invalid ?? `≥ ${percent(bar)} ${isShareMet ? 'ok' : 'below'}, < 1 s ${isDrainMet ? 'ok' : 'above'}`,
  ]
  const verdicts = [
    { name: `overload: ${ground.model.name}, ${name}: in time`, isMet: isValid && isShareMet },
    { name: `overload: ${ground.model.name}, ${name}: queue empty`, isMet: isValid && isDrainMet },
  ]
  return { row, verdicts }
}

/** By the capacity: all that the server does beside the runs counts as if they took longer. */
function slownessOf({ runs }: BenchModel, capacity: number): number {
  const { alphaMs, betaMs } = lineOf(runs)
  return ((clients / (alphaMs + betaMs * clients)) * 1000) / capacity
}

/** What the policy reaches over the same arrivals without a server. */
function simulatedShare(ground: Ground, { process, load }: Scenario, seconds: number): number {
  const { model, capacity, slowness, sloMs } = ground
  const { alphaMs, betaMs } = lineOf(model.runs)
  const setting = { alphaMs: alphaMs * slowness, betaMs: betaMs * slowness, executors: 1, maxRows, sloMs }
  const times = arrivals({ process, perSecond: load * capacity, seconds, seed })
  return replay(setting, Array.from(times), randomOf(seed)).inSlo / 100
}
