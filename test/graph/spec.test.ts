/** Reading graphs: what is refused, what is odd, and where. */
import { describe, expect, it } from 'vitest'
import { checkSpec, loadSpec, readSpec } from '../../src/graph/index.ts'
import type { SpecIssue } from '../../src/graph/index.ts'

function issuesOf(nodes: object, rest: object = {}): readonly SpecIssue[] {
  const { spec, issues } = readSpec({ nodes, ...rest })
  return spec === undefined ? issues : [...issues, ...checkSpec(spec)]
}

function errorsOf(nodes: object, rest: object = {}): readonly string[] {
  return issuesOf(nodes, rest)
    .filter(({ severity }) => severity === 'error')
    .map(({ message }) => message)
}

function warningsOf(nodes: object, rest: object = {}): readonly string[] {
  return issuesOf(nodes, rest)
    .filter(({ severity }) => severity === 'warning')
    .map(({ message }) => message)
}

const sequence = (...steps: object[]): object => ({ root: { routerType: 'Sequence', steps } })
const switched = (...conditions: string[]): object => ({
  root: { routerType: 'Switch', steps: conditions.map((condition) => ({ serviceName: 'a', condition })) },
})

describe('what is refused', () => {
  it.each([
    [
      'no root',
      { rot: { routerType: 'Sequence', steps: [{ serviceName: 'a' }] } },
      /root node not found.*is 'rot' meant/,
    ],
    ['no steps', sequence(), /node 'root' has no steps/],
    [
      'an unknown router',
      { root: { routerType: 'Sequnce', steps: [{ serviceName: 'a' }] } },
      /did you mean 'Sequence'/,
    ],
    ['a step without target', sequence({ name: 'x' }), /step 0 \(name: 'x'\) of node 'root' has no target/],
    ['two targets', sequence({ serviceName: 'a', serviceUrl: 'http://b' }), /serviceName and serviceUrl: it must have/],
    [
      'two steps of one name',
      sequence({ name: 'x', serviceName: 'a' }, { name: 'x', serviceName: 'b' }),
      /more than one/,
    ],
    [
      'an unknown node',
      { ...sequence({ nodeName: 'bred' }), breed: sequence({ serviceName: 'a' }) },
      /did you mean 'breed'|routerType/,
    ],
    ['a node that contains itself', sequence({ nodeName: 'root' }), /goes round in a circle: root → root/],
    ['a weight that is no integer', sequence({ serviceName: 'a', weight: 1.5 }), /nodes\.root\.steps\[0\]\.weight/],
    ['steps of a wrong kind', { root: { routerType: 'Sequence', steps: 'a' } }, /nodes\.root\.steps/],
    ['a wrong dependency', sequence({ serviceName: 'a', dependency: 'hard' }), /nodes\.root\.steps\[0\]\.dependency/],
  ])('%s', (_, nodes, message) => {
    expect(errorsOf(nodes).join('\n')).toMatch(message)
  })

  it.each([
    ['none', [{}], /step 0 of Splitter 'root' has no weight/],
    ['not 100', [{ weight: 30 }, { weight: 60 }], /sum to 90: they must sum to 100/],
    ['negative', [{ weight: 150 }, { weight: -50 }], /weight -50: it must be 0 to 100/],
  ])('weights: %s', (_, weights, message) => {
    const steps = weights.map((weight) => ({ serviceName: 'a', ...weight }))
    expect(errorsOf({ root: { routerType: 'Splitter', steps } }).join('\n')).toMatch(message)
  })

  it('a longer circle, told once with its way', () => {
    const nodes = { ...sequence({ nodeName: 'b' }), b: { routerType: 'Switch', steps: [{ nodeName: 'root' }] } }
    expect(errorsOf(nodes)).toEqual(['the graph goes round in a circle: root → b → root'])
  })

  it('a chain too deep, without running out of stack', () => {
    const nodes: Record<string, object> = {}
    for (let index = 0; index < 9_000; index += 1) {
      nodes[index === 0 ? 'root' : `n${index}`] = { routerType: 'Sequence', steps: [{ nodeName: `n${index + 1}` }] }
    }
    nodes['n9000'] = { routerType: 'Sequence', steps: [{ serviceName: 'a' }] }
    expect(errorsOf(nodes)).toEqual(['nodes lie 9001 deep within each other: at most 1000 are allowed'])
  })

  it('too many nodes, and tells only the first of many errors', () => {
    const step = { routerType: 'Sequence', steps: [{}] }
    const nodes = (count: number): object =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [index === 0 ? 'root' : `n${index}`, step]))
    expect(errorsOf(nodes(10_001))).toEqual(['nodes: at most 10000 nodes are allowed'])
    expect(() => loadSpec({ nodes: nodes(50) })).toThrow(/and 30 more errors$/)
  })

  it.each([null, undefined, 1, 'x', [], {}, { nodes: [] }, { nodes: { root: null } }])('%j is no graph', (given) => {
    expect(() => loadSpec(given)).toThrow(/nodes|spec/)
  })
})

describe('what is odd', () => {
  it.each([
    ['', /empty condition never holds; for a default branch write @this/],
    ['{ .input.userId == 1 }', /can only hold.*multipath/],
    ['[a]', /can only hold.*multipath/],
    ['instances.#(modelId=="9")#', /can only hold.*drop the #/],
    ['instances.#', /can only hold.*counts/],
    ['a.b==1', /can never hold.*compares outside of/],
    ['$.n', /can never hold.*without \$/],
    ['.n', /can never hold.*without a dot/],
    ['instances.#(', /does not close/],
  ])('the condition %j', (condition, message) => {
    expect(warningsOf(switched(condition)).join('\n')).toMatch(message)
  })

  it.each(['@this', 'a.b', 'instances.#(n>5)', '[@this].#(k=="x")', 'a\\=b', 'predictions.#(label=="a=b")'])(
    'not the condition %j',
    (condition) => {
      expect(warningsOf(switched(condition))).toEqual([])
    },
  )

  it('what follows a branch that always holds', () => {
    expect(warningsOf(switched('@this', 'a')).join()).toMatch(/after step 0 are never taken/)
  })

  it('a condition on the first step of a Sequence, a weight or condition without effect, an unknown field', () => {
    expect(warningsOf(sequence({ serviceName: 'a', condition: 'x' })).join()).toMatch(/no answer to test/)
    expect(warningsOf(sequence({ serviceName: 'a', weight: 5 })).join()).toMatch(/weight of step 0 has no effect/)
    const ensemble = { root: { routerType: 'Ensemble', steps: [{ serviceName: 'a', condition: 'x' }] } }
    expect(warningsOf(ensemble).join()).toMatch(/condition of step 0 has no effect/)
    expect(warningsOf(sequence({ serviceNme: 'a', serviceName: 'b' })).join()).toMatch(/did you mean 'serviceName'/)
  })
})

describe('a servable block', () => {
  const steps = [{ name: 'a', serviceName: 'a' }, { serviceName: 'b' }]

  it.each([
    [{ nodes: { rot: {} } }, /no such node/],
    [{ nodes: { root: { steps: { c: {} } } } }, /node 'root' has no step 'c'/],
    [{ nodes: { root: { combine: 'mean' } } }, /'combine' is for a Ensemble, but node 'root' is a Sequence/],
    [{ nodes: { root: { steps: { '0': { shadow: true }, '1': { shadow: true } } } } }, /nobody answers/],
    [{ nodes: { root: { steps: { a: { data: '$steps.b' } } } } }, /which does not run before it/],
    [{ conditions: 'maybe' }, /servable\.conditions/],
    [{ colour: 1 }, /colour/],
  ])('%j is refused', (servable, message) => {
    expect(errorsOf({ root: { routerType: 'Sequence', steps } }, { servable }).join('\n')).toMatch(message)
  })

  it('may stand elsewhere', () => {
    const { spec } = loadSpec({ nodes: sequence({ serviceName: 'a' }) }, undefined, { keepGoing: true, maxSteps: 7 })
    expect(spec.options).toEqual({ keepsGoing: true, maxSteps: 7 })
  })
})

describe('loading', () => {
  it('names the place of every error', () => {
    const nodes = { root: { routerType: 'Splitter', steps: [{ nodeName: 'x', weight: 90 }] } }
    const where = (path: readonly (string | number)[]): string => `graph.yaml:${path.length}`
    expect(() => loadSpec({ nodes }, where)).toThrow(
      /^graph\.yaml:5: step 0 .* names the node 'x', which does not exist: there are root\ngraph\.yaml:3: the weights/,
    )
  })

  it('keeps fields that only a cluster reads, and timeouts', () => {
    const given = {
      nodes: sequence({ serviceName: 'a' }),
      minReplicas: 1,
      timeout: 30,
      routerTimeouts: { serviceClient: 5 },
    }
    const { spec, warnings } = loadSpec(given)
    expect(warnings).toEqual([])
    expect(spec).toMatchObject({ timeoutSeconds: 30, timeouts: { serviceClient: 5 } })
  })
})
