/** Suite `rollout`: 200 requests a second while a canary comes, is promoted, undone and promoted again; not one may fail. */
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { round, type Report, type Verdict } from './report.ts'
import type { RoundOptions } from './rounds.ts'
import { startServable } from './servers.ts'

const perSecond = 200
/** The length of the run in times of `--seconds`, which are 3 where nobody says otherwise: 60 seconds. */
const seconds = 20
/** Of the requests, in per cent. */
const canary = 20
/** Most points that the share may be off. */
const shareBar = 2

/** What happens at which part of the run. */
const steps = [
  { name: 'first revision', at: 0 },
  { name: `canary of ${canary} %`, at: 1 / 6 },
  { name: 'promoted', at: 1 / 2 },
  { name: 'undone', at: 2 / 3 },
  { name: 'promoted again', at: 5 / 6 },
] as const

const path = '/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/flowers'
const body = JSON.stringify({ inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] })

interface Answer {
  readonly sentMs: number
  readonly ms: number
  /** Undefined where it failed. */
  readonly revision: 1 | 2 | undefined
}

/** @param options `rounds` has no meaning here: one run is long enough */
export async function run(options: RoundOptions): Promise<readonly Report[]> {
  const server = await startServable([], { flags: ['--control', 'on'] })
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  try {
    await apply(server.url, 'iris', '')
    const durationMs = options.seconds * seconds * 1000
    const since: number[] = [0]
    const answers = load(server.url, agent, durationMs)
    const started = performance.now()
    for (const [index, { at }] of steps.entries()) {
      if (index === 0) continue
      await delay(Math.max(0, at * durationMs - (performance.now() - started)))
      if (index === 1) await apply(server.url, 'iris-labels', `    canaryTrafficPercent: ${canary}\n`)
      else await move(server.url, index === 3 ? 'undo' : 'promote')
      since.push(performance.now() - started)
    }
    return [reportOf(await answers, since)]
  } finally {
    agent.destroy()
    await server.stop()
  }
}

async function apply(url: string, model: string, more: string): Promise<void> {
  const text =
    'apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: flowers}\nspec:\n  predictor:\n' +
    `${more}    model: {modelFormat: {name: onnx}, storageUri: 'file://${join(process.cwd(), 'models', model)}'}\n`
  await call(url, 'PUT', path, text)
  await settled(url)
}

async function move(url: string, verb: 'promote' | 'undo'): Promise<void> {
  await call(url, 'POST', `${path}/${verb}`)
  await settled(url, verb === 'undo' ? '00001' : '00002')
}

/** @param revision the end of the name of the one that shall have all of the traffic */
async function settled(url: string, revision?: string): Promise<void> {
  for (;;) {
    const text = await call(url, 'GET', path)
    const isThere =
      revision === undefined || text.includes(`"percent":100,"revisionName":"flowers-predictor-${revision}"`)
    if (text.includes('"transitionStatus":"UpToDate"') && isThere) return
    await delay(20)
  }
}

async function call(url: string, method: string, at: string, text?: string): Promise<string> {
  const response = await fetch(`${url}${at}`, { method, ...(text === undefined ? {} : { body: text }) })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${method} ${at}: ${response.status} ${answer}`)
  return answer
}

/** Open loop: a request is due whether the ones before were answered or not. */
async function load(url: string, agent: Agent, durationMs: number): Promise<readonly Answer[]> {
  const answers: Promise<Answer>[] = []
  const started = performance.now()
  const total = Math.round((durationMs / 1000) * perSecond)
  while (answers.length < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - started) / 1000) * perSecond))
    while (answers.length < due) answers.push(ask(url, agent, performance.now() - started))
    await delay(2)
  }
  return Promise.all(answers)
}

function ask(url: string, agent: Agent, sentMs: number): Promise<Answer> {
  const started = performance.now()
  return new Promise((resolve) => {
    const answered = (revision: Answer['revision']): void => {
      resolve({ sentMs, ms: performance.now() - started, revision })
    }
    const sent = request(`${url}/v2/models/flowers/infer`, { method: 'POST', agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('error', () => answered(undefined))
      // The labels of the second revision are names.
      response.on('end', () => answered(response.statusCode === 200 ? (text.includes('"BYTES"') ? 2 : 1) : undefined))
    })
    sent.on('error', () => answered(undefined))
    sent.end(body)
  })
}

function reportOf(answers: readonly Answer[], since: readonly number[]): Report {
  const failed = answers.filter(({ revision }) => revision === undefined).length
  const shares = steps.map((_, index) => {
    const within = answers.filter(
      ({ sentMs }) => sentMs >= (since[index] ?? 0) && sentMs < (since[index + 1] ?? Infinity),
    )
    const second = within.filter(({ revision }) => revision === 2).length
    return { requests: within.length, percent: (100 * second) / within.length, ms: within.map(({ ms }) => ms) }
  })
  const off = Math.abs((shares[1]?.percent ?? NaN) - canary)
  const verdicts: Verdict[] = [
    { name: 'no request failed', isMet: failed === 0 },
    { name: `canary within ${shareBar} points`, isMet: off <= shareBar },
  ]
  const rows = steps.map(({ name }, index) => {
    const { requests = 0, percent = NaN, ms = [] } = shares[index] ?? {}
    const sorted = ms.toSorted((left, right) => left - right)
    const p99 = sorted[Math.floor(sorted.length * 0.99)]
    return [name, String(requests), `${percent.toFixed(1)} %`, round(p99)]
  })
  const title = `Rollout under ${perSecond} requests a second: ${answers.length} requests, ${failed} failed`
  return { title, head: ['', 'requests', 'second revision', 'p99 ms'], rows, verdicts }
}
