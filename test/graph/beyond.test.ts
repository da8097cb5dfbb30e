/** What a graph may ask for beyond KServe's router. */
import { describe, expect, it } from 'vitest'
import { InferenceGraph, Payload } from '../../src/graph/index.ts'
import type { StepRecord } from '../../src/graph/index.ts'
import { ask, jumpingTimers, reply, services, specOf } from './support.ts'

const v2 = (name: string, data: number[]): string =>
  `{"model_name":"m","model_version":"1","outputs":[{"name":"${name}","datatype":"FP32","shape":[1,${data.length}],"data":[${data.join(',')}]}]}`

describe('data', () => {
  it('takes a part of the answer before it, or of an earlier one', async () => {
    const steps = [
      { name: 'a', serviceName: 'a' },
      { name: 'b', serviceName: 'b', data: '$response.x.0' },
      { name: 'c', serviceName: 'c', data: '$steps.a.x' },
      { name: 'd', serviceName: 'd', data: '$steps.b' },
    ]
    const { call, seen } = services({
      a: () => '{"x":[{"y":9007199254740993}]}',
      b: () => '2',
      c: () => '3',
      d: () => '4',
    })
    const answer = await ask(specOf({ root: { routerType: 'Sequence', steps } }, { data: 'paths' }), call, '{}')
    expect(answer).toEqual({ status: 200, body: '4' })
    expect(seen).toEqual(['a {}', 'b {"y":9007199254740993}', 'c [{"y":9007199254740993}]', 'd 2'])
  })

  it('says where a path leads to nothing', async () => {
    const steps = [{ serviceName: 'a' }, { serviceName: 'b', servable: { data: '$response.nope' } }]
    const { call } = services({ a: () => '{}' })
    const { status, body } = await ask(specOf({ root: { routerType: 'Sequence', steps } }), call, '{}')
    expect(status).toBe(500)
    expect(body).toContain(`step '1' of node 'root': $response.nope leads to nothing in the answer`)
  })
})

describe('conditions tested for truth', () => {
  const spec = (condition: string) =>
    specOf(
      {
        root: {
          routerType: 'Switch',
          steps: [
            { serviceName: 'yes', condition },
            { serviceName: 'no', condition: '@this' },
          ],
        },
      },
      { conditions: 'truth' },
    )

  it.each([
    ['flag', '{"flag":false}', false],
    ['flag', '{"flag":null}', false],
    ['flag', '{"flag":0}', false],
    ['flag', '{"flag":""}', false],
    ['flag', '{"flag":true}', true],
    ['flag', '{"flag":0.5}', true],
    ['a.#(n==9)#', '{"a":[{"n":1}]}', false],
    ['a.#(n==1)#', '{"a":[{"n":1}]}', true],
    ['{ .input.userId == 1 }', '{"input":{"userId":1}}', true],
    ['{ .input.userId == 1 }', '{"input":{"userId":2}}', false],
    ['a.b==1', '{"a":{"b":1}}', true],
    ['a.b=="x"', '{"a":{"b":"x"}}', true],
    ['a.b>=2', '{"a":{"b":1.5}}', false],
    ['name%"my-*"', '{"name":"my-dog"}', true],
    ['missing!=1', '{}', false],
  ])('%s for %s: %s', async (condition, body, holds) => {
    const { call } = services({ yes: () => '"yes"', no: () => '"no"' })
    expect((await ask(spec(condition), call, body)).body).toBe(holds ? '"yes"' : '"no"')
  })
})

describe('a Switch', () => {
  it('takes its default where nothing matches, also for a body that is no JSON', async () => {
    const steps = [
      { serviceName: 'a', condition: 'x' },
      { name: 'other', serviceName: 'b' },
    ]
    const spec = specOf({ root: { routerType: 'Switch', steps, servable: { default: 'other' } } })
    const { call } = services({ a: () => '"a"', b: () => '"b"' })
    expect((await ask(spec, call, '{"x":1}')).body).toBe('"a"')
    expect((await ask(spec, call, '{}')).body).toBe('"b"')
    expect((await ask(spec, call, 'no json')).body).toBe('"b"')
  })
})

describe('a Sequence', () => {
  const steps = [{ name: 'first', serviceName: 'a' }, { serviceName: 'b' }]

  it('merges what its steps answered', async () => {
    const { call } = services({ a: () => '{"n":9007199254740993}', b: () => 'plain "text"' })
    const spec = specOf({ root: { routerType: 'Sequence', steps, servable: { merge: 'steps' } } })
    expect((await ask(spec, call, '{}')).body).toBe('{"first":{"n":9007199254740993},"1":"plain \\"text\\""}')
  })

  it('merges outputs into one answer', async () => {
    const { call } = services({ a: () => v2('y', [1]), b: () => v2('z', [2]) })
    const spec = specOf({ root: { routerType: 'Sequence', steps, servable: { merge: 'outputs' } } })
    const { body } = await ask(spec, call, '{}')
    expect(JSON.parse(body)).toMatchObject({
      outputs: [
        { name: 'y', data: [1] },
        { name: 'z', data: [2] },
      ],
    })
  })

  it('maps outputs to inputs by name, and from V2 to V1', async () => {
    const mapped = [
      steps[0],
      { serviceName: 'b', data: '$response', servable: { mapping: 'auto', rename: { y: 'X' } } },
    ]
    const { call, seen } = services({ a: () => v2('y', [1, 2]), b: () => '{}' })
    await ask(specOf({ root: { routerType: 'Sequence', steps: mapped } }), call, '{}')
    expect(JSON.parse(seen[1]?.slice(2) ?? '')).toEqual({
      inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
    })
    const toV1 = [steps[0], { serviceName: 'b', data: '$response', servable: { mapping: 'v1' } }]
    await ask(specOf({ root: { routerType: 'Sequence', steps: toV1 } }), call, '{}')
    expect(JSON.parse(seen[3]?.slice(2) ?? '')).toEqual({ instances: [[1, 2]] })
  })

  it('keeps going after a Soft step without an answer', async () => {
    const { call } = services({ b: () => '"b"' })
    const nodes = { root: { routerType: 'Sequence', steps } }
    expect((await ask(specOf(nodes), call, '{}')).status).toBe(500)
    expect(await ask(specOf(nodes, { keepGoing: true }), call, '{}')).toEqual({ status: 200, body: '"b"' })
    const hard = { root: { routerType: 'Sequence', steps: [{ serviceName: 'none', dependency: 'Hard' }, steps[1]] } }
    expect((await ask(specOf(hard, { keepGoing: true }), call, '{}')).status).toBe(500)
  })
})

describe('an Ensemble', () => {
  const steps = ['a', 'b', 'c'].map((name) => ({ name, serviceName: name }))
  const node = (combine: object | string) => specOf({ root: { routerType: 'Ensemble', steps, servable: { combine } } })

  it('combines by majority, mean, weighted mean, maximum', async () => {
    const { call } = services({ a: () => v2('y', [1, 5]), b: () => v2('y', [1, 7]), c: () => v2('y', [4, 9]) })
    const data = async (combine: object | string): Promise<unknown> => {
      const { body } = await ask(node(combine), call, '{}')
      return (JSON.parse(body) as { outputs: { data: unknown }[] }).outputs[0]?.data
    }
    expect(await data('vote')).toEqual([1, 5])
    expect(await data('mean')).toEqual([2, 7])
    expect(await data({ method: 'weightedMean', weights: { a: 0, b: 1, c: 2 } })).toEqual([3, expect.closeTo(8.333, 3)])
    expect(await data('max')).toEqual([4, 9])
    expect(await data({ method: 'mean', outputs: { y: 'concat' }, axis: 1 })).toEqual([1, 5, 1, 7, 4, 9])
  })

  it('leaves out members that failed, and speaks V1 where they do', async () => {
    const { call } = services({
      a: () => '{"predictions":[1,2]}',
      b: () => reply(503, '{"error":"busy"}'),
      c: () => '{"predictions":[3,4]}',
    })
    expect((await ask(node('mean'), call, '{}')).body).toBe('{"predictions":[2.0,3.0]}')
  })

  it('says why answers cannot be combined', async () => {
    const { call } = services({ a: () => v2('y', [1]), b: () => v2('z', [1]), c: () => v2('y', [1]) })
    expect((await ask(node('vote'), call, '{}')).body).toContain(`the answer of step 'b' has no output 'y', but 'z'`)
  })
})

describe('a Splitter', () => {
  it('sticks to a header', async () => {
    const steps = [
      { serviceName: 'a', weight: 50 },
      { serviceName: 'b', weight: 50 },
    ]
    const spec = specOf({ root: { routerType: 'Splitter', steps, servable: { stickyHeader: 'X-User' } } })
    const { call } = services({ a: () => 'a', b: () => 'b' })
    const counts: Record<string, number> = {}
    for (let user = 0; user < 400; user += 1) {
      const first = await ask(spec, call, '{}', { headers: { 'x-user': `user-${user}` } })
      const second = await ask(spec, call, '{}', { headers: { 'X-User': `user-${user}` } })
      expect(second).toEqual(first)
      counts[first.body] = (counts[first.body] ?? 0) + 1
    }
    expect(counts['a']).toBeGreaterThan(140)
    expect(counts['b']).toBeGreaterThan(140)
  })

  it('draws by weight', async () => {
    const steps = [
      { serviceName: 'a', weight: 20 },
      { serviceName: 'b', weight: 80 },
    ]
    const { call } = services({ a: () => 'a', b: () => 'b' })
    const bodies = []
    for (let point = 0; point < 100; point += 1) {
      bodies.push(
        (await ask(specOf({ root: { routerType: 'Splitter', steps } }), call, '{}', { pickPercent: () => point })).body,
      )
    }
    expect(bodies.join('')).toBe('a'.repeat(20) + 'b'.repeat(80))
  })
})

describe('a step', () => {
  const step = (servable: object, rest: object = {}) =>
    specOf({ root: { routerType: 'Sequence', steps: [{ name: 's', serviceName: 'a', servable, ...rest }] } })

  it('is tried again after a status that is worth it, or no answer', async () => {
    let calls = 0
    const { call } = services({
      a: () => {
        calls += 1
        if (calls === 1) throw new Error('reset')
        return calls === 2 ? reply(503, 'busy') : '"fine"'
      },
    })
    expect((await ask(step({ retries: { attempts: 2, backoffMs: 100 } }), call, '{}')).body).toBe('"fine"')
    expect(calls).toBe(3)
    calls = 0
    expect((await ask(step({ retries: { attempts: 1 } }), call, '{}')).status).toBe(503)
  })

  it('is given up after its timeout, even where the service does not listen', async () => {
    const { call } = services({ a: () => new Promise(() => undefined) })
    const { status, body } = await ask(step({ timeoutMs: 50 }), call, '{}')
    expect(status).toBe(500)
    expect(body).toContain('context deadline exceeded')
  })

  it('is not called while its breaker is open, and one call tries after a while', async () => {
    let isWell = false
    let now = 0
    const { call, seen } = services({ a: () => (isWell ? '"well"' : reply(500, '"ill"')) })
    const spec = step({ circuitBreaker: { failures: 2, openMs: 1000 } })
    const graph = new InferenceGraph(spec, { call, timers: { ...jumpingTimers(), now: () => now } })
    const once = async (): Promise<number> => {
      const { signal } = new AbortController()
      return (await graph.infer({ payload: Payload.ofText('{}'), headers: {}, signal })).status
    }
    expect([await once(), await once(), await once()]).toEqual([500, 500, 503])
    expect(seen.length).toBe(2)
    now = 1000
    expect(await once()).toBe(500)
    expect(await once()).toBe(503)
    now = 2000
    isWell = true
    expect([await once(), await once()]).toEqual([200, 200])
  })

  it('may be a shadow, for which nobody waits', async () => {
    const steps = [
      { name: 'main', serviceName: 'a' },
      { name: 'copy', serviceName: 'b', data: '$response', servable: { shadow: true } },
    ]
    const records: StepRecord[] = []
    let end: (text: string) => void = () => undefined
    const { call, seen } = services({ a: () => '"a"', b: () => new Promise<string>((resolve) => (end = resolve)) })
    const spec = specOf({ root: { routerType: 'Sequence', steps } })
    const answer = await ask(spec, call, '{}', { observe: (record) => records.push(record) })
    expect(answer).toEqual({ status: 200, body: '"a"' })
    expect(seen).toEqual(['a {}', 'b "a"'])
    end('late')
    await new Promise(setImmediate)
    expect(records.map(({ step: name, outcome }) => `${name} ${outcome}`)).toEqual([
      'main answered',
      'copy shadow',
      'copy answered',
    ])
  })
})

describe('explain', () => {
  it('tells which step ran, on what condition, with what outcome', async () => {
    const nodes = {
      root: {
        routerType: 'Sequence',
        steps: [
          { name: 'pick', nodeName: 'sw' },
          { name: 'more', serviceName: 'c', condition: 'nope' },
        ],
      },
      sw: {
        routerType: 'Switch',
        steps: [
          { serviceName: 'a', condition: 'x' },
          { serviceName: 'b', condition: '@this' },
        ],
      },
    }
    const { call } = services({ b: () => '{"b":1}' })
    const graph = new InferenceGraph(specOf(nodes), { call })
    const { signal } = new AbortController()
    const { steps, status, contentType } = await graph.explain({ payload: Payload.ofText('{}'), headers: {}, signal })
    expect({ status, contentType }).toEqual({ status: 200, contentType: 'application/json' })
    expect(steps).toMatchObject([
      { node: 'sw', step: '0', outcome: 'passed over', condition: { text: 'x', holds: false } },
      {
        node: 'sw',
        step: '1',
        target: 'service:b',
        outcome: 'answered',
        status: 200,
        condition: { text: '@this', holds: true },
        calls: 1,
      },
      { node: 'root', step: 'pick', target: 'node:sw', outcome: 'answered', status: 200 },
      { node: 'root', step: 'more', outcome: 'passed over', condition: { text: 'nope', holds: false } },
    ])
  })
})
