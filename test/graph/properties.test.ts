/** Random graphs over stubs that answer, fail, hang and drop: nothing breaks, nothing goes on after the end. */
import { describe, expect, it } from 'vitest'
import { InferenceGraph, Payload, readSpec } from '../../src/graph/index.ts'
import type { CallService, GraphSpec } from '../../src/graph/index.ts'
import { jumpingTimers, specOf } from './support.ts'

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const conditions = ['@this', 'a', 'instances', 'nope', '', 'a.#(x==1)', '[@this].#(a==1)', 'predictions.#(>0)', '#(']
const datas = ['$request', '$response', '$steps.s0', '$response.a', undefined]
const bodies = ['{"a":1}', '{"predictions":[1,2]}', '[]', 'null', 'plain', '', '{"a":{"b":[]}}', '"x"']

/** A graph without circles: nodes name later ones only. */
function randomGraph(random: () => number, count: number): GraphSpec {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T // the index is within the list
  const nodes: Record<string, object> = {}
  for (let index = 0; index < count; index += 1) {
    const steps = Array.from({ length: Math.floor(random() * 4) + (random() < 0.05 ? 0 : 1) }, (_, at) => ({
      ...(random() < 0.6 ? { name: `s${at}` } : {}),
      ...(random() < 0.45 && index < count - 1
        ? { nodeName: `n${index + 1 + Math.floor(random() * (count - index - 1))}` }
        : { serviceName: `svc${Math.floor(random() * 4)}` }),
      ...(random() < 0.4 ? { condition: pick(conditions) } : {}),
      ...(random() < 0.3 ? { data: pick(datas) } : {}),
      ...(random() < 0.2 ? { mapPredictionsToInstances: true } : {}),
      ...(random() < 0.3 ? { dependency: 'Hard' } : {}),
      ...(random() < 0.9 ? { weight: Math.floor(random() * 60) } : {}),
      ...(random() < 0.2 ? { servable: pick([{ retries: { attempts: 1 } }, { timeoutMs: 5 }, { shadow: true }]) } : {}),
    }))
    const routerType = pick(['Sequence', 'Sequence', 'Switch', 'Ensemble', 'Splitter', 'Odd'])
    nodes[index === 0 ? 'root' : `n${index}`] = { routerType, steps }
  }
  const servable = { data: pick(['kserve', 'paths']), keepGoing: random() < 0.5, maxSteps: 200 }
  return specOf(nodes, servable)
}

interface Watch {
  readonly call: CallService
  running: number
  started: number
}

/** Calls that answer at once, later, with failures, or only when they are told to stop. */
function watched(random: () => number, hangs: boolean): Watch {
  const watch: Watch = {
    running: 0,
    started: 0,
    call: async ({ signal }) => {
      watch.running += 1
      watch.started += 1
      try {
        if (signal.aborted) throw new Error('a step was started after the end')
        const kind = random()
        if (hangs && kind < 0.3) {
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
        }
        if (kind < 0.6) await new Promise(setImmediate)
        if (kind > 0.92) throw new Error('connection reset')
        const status = random() < 0.8 ? 200 : 503
        return { status, payload: Payload.ofText(bodies[Math.floor(random() * bodies.length)] ?? '') }
      } finally {
        watch.running -= 1
      }
    },
  }
  return watch
}

const seeds = Array.from({ length: 300 }, (_, index) => index + 1)

describe('random graphs', () => {
  it('end with a reply or an InferenceError, and leave nothing running', async () => {
    for (const seed of seeds) {
      const random = randomOf(seed)
      const watch = watched(random, false)
      const graph = new InferenceGraph(randomGraph(random, 1 + Math.floor(random() * 8)), {
        call: watch.call,
        timers: jumpingTimers(),
      })
      const body = bodies[Math.floor(random() * bodies.length)] ?? ''
      const request = { payload: Payload.ofText(body), headers: {}, signal: new AbortController().signal }
      const reply = await graph.explain(request).catch((reason: unknown) => reason)
      if (reply instanceof Error) expect(reply.name, `seed ${seed}: ${reply.stack}`).toBe('InferenceError')
      else expect(reply, `seed ${seed}`).toMatchObject({ status: expect.any(Number) as number })
      graph.close()
      for (let turn = 0; turn < 20 && watch.running > 0; turn += 1) await new Promise(setImmediate)
      expect(watch.running, `seed ${seed}`).toBe(0)
    }
  })

  it('stop every running step and start no more when the caller leaves', async () => {
    for (const seed of seeds) {
      const random = randomOf(seed)
      const watch = watched(random, true)
      const graph = new InferenceGraph(randomGraph(random, 1 + Math.floor(random() * 8)), { call: watch.call })
      const caller = new AbortController()
      const answer = graph
        .infer({ payload: Payload.ofText('{"a":1}'), headers: {}, signal: caller.signal })
        .then(() => 'answered')
        .catch((reason: unknown) => (reason instanceof Error ? reason.name : 'odd'))
      for (let turn = 0; turn < Math.floor(random() * 6); turn += 1) await new Promise(setImmediate)
      caller.abort()
      graph.close()
      expect(['answered', 'InferenceError'], `seed ${seed}`).toContain(await answer)
      await new Promise(setImmediate)
      const { started } = watch
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
      expect(watch.started, `seed ${seed}`).toBe(started)
      expect(watch.running, `seed ${seed}`).toBe(0)
    }
  })
})

describe('a graph that goes on for ever', () => {
  const nothing: CallService = async () => ({ status: 200, payload: Payload.ofText('{}') })

  it('is refused when it has run too many steps, and does not exhaust the stack', async () => {
    const spec = specOf({ root: { routerType: 'Sequence', steps: [{ nodeName: 'root' }] } }, { maxSteps: 100_000 })
    const graph = new InferenceGraph(spec, { call: nothing })
    const request = { payload: Payload.ofText('{}'), headers: {}, signal: new AbortController().signal }
    await expect(graph.infer(request)).rejects.toMatchObject({ code: 'resource_exhausted' })
  })

  it('is refused where nodes multiply', async () => {
    const nodes: Record<string, object> = { n40: { routerType: 'Sequence', steps: [{ serviceName: 'a' }] } }
    for (let index = 0; index < 40; index += 1) {
      const next = { nodeName: `n${index + 1}` }
      nodes[index === 0 ? 'root' : `n${index}`] = { routerType: 'Ensemble', steps: [next, next] }
    }
    const graph = new InferenceGraph(specOf(nodes), { call: nothing })
    const request = { payload: Payload.ofText('{}'), headers: {}, signal: new AbortController().signal }
    await expect(graph.infer(request)).rejects.toMatchObject({ code: 'resource_exhausted' })
  })

  it('is given up after its timeout', async () => {
    const { spec } = readSpec({
      nodes: { root: { routerType: 'Sequence', steps: [{ serviceName: 'a' }] } },
      timeout: 2,
    })
    if (spec === undefined) throw new Error('no graph')
    const hang: CallService = () => new Promise(() => undefined)
    const graph = new InferenceGraph(spec, { call: hang, timers: jumpingTimers() })
    const request = { payload: Payload.ofText('{}'), headers: {}, signal: new AbortController().signal }
    await expect(graph.infer(request)).rejects.toMatchObject({ code: 'deadline_exceeded' })
  })

  it('1,000 nodes deep answers', async () => {
    const nodes: Record<string, object> = {}
    for (let index = 0; index < 1000; index += 1) {
      const step = index === 999 ? { serviceName: 'a' } : { nodeName: `n${index + 1}` }
      nodes[index === 0 ? 'root' : `n${index}`] = {
        routerType: index % 2 === 0 ? 'Sequence' : 'Ensemble',
        steps: [step],
      }
    }
    const graph = new InferenceGraph(specOf(nodes), { call: nothing })
    const request = { payload: Payload.ofText('{}'), headers: {}, signal: new AbortController().signal }
    expect((await graph.infer(request)).status).toBe(200)
  })
})
