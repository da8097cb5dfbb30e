/** Whether the parts of a graph fit together: KServe's rules of admission, and what those let through that cannot work. */
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { judgeExistence } from './condition.ts'
import { readSpec } from './read-spec.ts'
import { rootNode, routerTypes } from './spec.ts'
import type { GraphNode, GraphSpec, GraphStep, SpecIssue, SpecPath } from './spec.ts'

/** Nodes within nodes; deeper graphs are taken for a mistake. */
export const deepestGraph = 1000
/** Errors in one message. */
const mostTold = 20

/**
 * Reads and checks a graph.
 *
 * @param given the `spec` as plain objects
 * @param where how a message tells where something stands: `graph.yaml:12`; undefined where it cannot
 * @param block the `servable` block where it stands elsewhere (an annotation)
 * @throws InferenceError `invalid_argument` that lists every error with its place
 */
export function loadSpec(
  given: unknown,
  where: (path: SpecPath) => string | undefined = () => undefined,
  block?: unknown,
): { readonly spec: GraphSpec; readonly warnings: readonly string[] } {
  const { spec, issues: fields } = readSpec(given, block)
  const issues = spec === undefined ? fields : [...fields, ...checkSpec(spec)]
  const tell = ({ path, message }: SpecIssue): string => {
    const place = where(path)
    return place === undefined ? message : `${place}: ${message}`
  }
  const errors = issues.filter(({ severity }) => severity === 'error')
  if (spec === undefined || errors.length > 0) {
    const more = errors.length > mostTold ? [`and ${errors.length - mostTold} more errors`] : []
    throw new InferenceError('invalid_argument', [...errors.slice(0, mostTold).map(tell), ...more].join('\n'))
  }
  return { spec, warnings: issues.filter(({ severity }) => severity === 'warning').map(tell) }
}

/** Everything that is wrong or odd in a graph whose fields could be read. */
export function checkSpec(spec: GraphSpec): readonly SpecIssue[] {
  const issues: SpecIssue[] = []
  if (!spec.nodes.has(rootNode)) {
    const message = `root node not found, InferenceGraph needs a node with name 'root' as the root node of the graph`
    const near = nearest(rootNode, [...spec.nodes.keys()])
    issues.push(error(['nodes'], near === undefined ? message : `${message}: is '${near}' meant?`))
  }
  for (const node of spec.nodes.values()) issues.push(...checkNode(node, spec))
  return [...issues, ...checkNesting(spec)]
}

function checkNode(node: GraphNode, spec: GraphSpec): SpecIssue[] {
  const path = ['nodes', node.name]
  const issues: SpecIssue[] = []
  if (!routerTypes.some((type) => type === node.routerType)) {
    const near = nearest(node.routerType, routerTypes)
    const hint = near === undefined ? `must be one of ${routerTypes.join(', ')}` : `did you mean '${near}'?`
    issues.push(error([...path, 'routerType'], `node '${node.name}' has the routerType '${node.routerType}': ${hint}`))
  }
  if (node.steps.length === 0) issues.push(error([...path, 'steps'], `node '${node.name}' has no steps`))
  const names = new Set<string>()
  for (const step of node.steps) {
    const at = [...path, 'steps', step.index]
    if (step.name !== undefined && names.has(step.name)) {
      issues.push(error([...at, 'name'], `node '${node.name}' has more than one step with name '${step.name}'`))
    }
    if (step.name !== undefined) names.add(step.name)
    issues.push(...checkTarget(node, step, spec, at), ...checkData(node, step, at))
  }
  return [...issues, ...checkWeights(node, path), ...checkConditions(node, path), ...checkOptions(node, path)]
}

function checkTarget(node: GraphNode, step: GraphStep, spec: GraphSpec, at: SpecPath): SpecIssue[] {
  const { target } = step
  const label = `step ${step.index} (name: '${step.name ?? ''}') of node '${node.name}'`
  if (target.kind === 'service' && target.name === '') {
    return [error(at, `${label} has no target: give it one of nodeName, serviceName, serviceUrl`)]
  }
  if (target.kind !== 'node' || spec.nodes.has(target.name)) return []
  const near = nearest(target.name, [...spec.nodes.keys()])
  const hint = near === undefined ? `there are ${[...spec.nodes.keys()].join(', ')}` : `did you mean '${near}'?`
  return [error([...at, 'nodeName'], `${label} names the node '${target.name}', which does not exist: ${hint}`)]
}

function checkData({ name, steps }: GraphNode, { index, data }: GraphStep, at: SpecPath): SpecIssue[] {
  if (data.from !== 'step') return []
  if (steps.some((step) => step.key === data.step && step.index < index)) return []
  const earlier = steps.filter((step) => step.index < index).map(({ key }) => key)
  const message = `step ${index} of node '${name}' takes its data from step '${data.step}', which does not run before it`
  return [
    error([...at, 'data'], `${message}: ${earlier.length === 0 ? 'none does' : `those are ${earlier.join(', ')}`}`),
  ]
}

function checkWeights(node: GraphNode, path: SpecPath): SpecIssue[] {
  const issues: SpecIssue[] = []
  const isSplitter = node.routerType === 'Splitter'
  for (const { index, weight } of node.steps) {
    const at = [...path, 'steps', index, 'weight']
    if (isSplitter && weight === undefined) {
      issues.push(error(at, `step ${index} of Splitter '${node.name}' has no weight`))
    } else if (isSplitter && weight !== undefined && weight < 0) {
      issues.push(error(at, `step ${index} of Splitter '${node.name}' has the weight ${weight}: it must be 0 to 100`))
    } else if (!isSplitter && weight !== undefined) {
      issues.push(warning(at, `the weight of step ${index} has no effect: '${node.name}' is a ${node.routerType}`))
    }
  }
  const sum = node.steps.reduce((total, { weight = 0 }) => total + weight, 0)
  if (isSplitter && sum !== 100) {
    issues.push(error([...path, 'steps'], `the weights of Splitter '${node.name}' sum to ${sum}: they must sum to 100`))
  }
  return issues
}

function checkConditions(node: GraphNode, path: SpecPath): SpecIssue[] {
  const issues: SpecIssue[] = []
  for (const { index, condition } of node.steps) {
    const at = [...path, 'steps', index, 'condition']
    if (node.routerType === 'Switch' && condition === undefined && node.options.default === undefined) {
      issues.push(warning(at, `step ${index} of Switch '${node.name}' has no condition: it is never taken`))
    }
    if (condition === undefined || (condition.text === '' && node.routerType === 'Sequence')) continue
    if (node.routerType === 'Ensemble' || node.routerType === 'Splitter') {
      issues.push(warning(at, `the condition of step ${index} has no effect: '${node.name}' is a ${node.routerType}`))
    } else if (node.routerType === 'Sequence' && index === 0) {
      const message = `the first step of Sequence '${node.name}' has a condition, but no answer to test: it always fails`
      issues.push(warning(at, message))
    }
    const verdict = condition.isTruth ? undefined : judgeExistence(condition.text)
    if (verdict !== undefined) {
      issues.push(warning(at, `the condition can ${verdict.always ? 'only' : 'never'} hold: ${verdict.reason}`))
    }
  }
  return [...issues, ...checkReach(node, path)]
}

/** What follows a step that every document takes. */
function checkReach(node: GraphNode, path: SpecPath): SpecIssue[] {
  if (node.routerType !== 'Switch') return []
  const taken = node.steps.find(({ condition }) => condition?.text === '@this')
  if (taken === undefined || taken.index === node.steps.length - 1) return []
  const message = `the steps of Switch '${node.name}' after step ${taken.index} are never taken: '@this' always holds`
  return [warning([...path, 'steps', taken.index + 1], message)]
}

function checkOptions({ name, routerType, steps, options }: GraphNode, path: SpecPath): SpecIssue[] {
  const issues: SpecIssue[] = []
  const owners = { merge: 'Sequence', default: 'Switch', stickyHeader: 'Splitter', combine: 'Ensemble' } as const
  for (const key of ['merge', 'default', 'stickyHeader', 'combine'] as const) {
    if (options[key] === undefined || routerType === owners[key]) continue
    const message = `'${key}' is for a ${owners[key]}, but node '${name}' is a ${routerType}`
    issues.push(error([...path, 'servable', key], message))
  }
  const keys = steps.map(({ key }) => key)
  const named = [
    ...(options.default === undefined ? [] : [['default', options.default] as const]),
    ...[...(options.combine?.weights.keys() ?? [])].map((key) => ['combine', key] as const),
  ]
  for (const [field, key] of named) {
    if (keys.includes(key)) continue
    const near = nearest(key, keys)
    const hint = near === undefined ? `there are ${keys.join(', ')}` : `did you mean '${near}'?`
    issues.push(error([...path, 'servable', field], `'${field}' of node '${name}' names no step '${key}': ${hint}`))
  }
  if (steps.length > 0 && steps.every((step) => step.options.isShadow === true)) {
    issues.push(error([...path, 'steps'], `all steps of node '${name}' are shadows: nobody answers`))
  }
  return issues
}

/** Cycles, and nodes too deep within each other. Keeps a stack of its own. */
function checkNesting(spec: GraphSpec): SpecIssue[] {
  const issues: SpecIssue[] = []
  const depths = new Map<string, number>()
  for (const start of spec.nodes.keys()) {
    const trail: { readonly node: GraphNode; next: number }[] = []
    const open = new Set<string>()
    const enter = (name: string): void => {
      const node = spec.nodes.get(name)
      if (node === undefined || depths.has(name)) return
      trail.push({ node, next: 0 })
      open.add(name)
    }
    enter(start)
    for (let top = trail[trail.length - 1]; top !== undefined; top = trail[trail.length - 1]) {
      const step = top.node.steps[top.next]
      top.next += 1
      if (step === undefined) {
        trail.pop()
        open.delete(top.node.name)
        depths.set(top.node.name, depthOf(top.node, depths))
      } else if (step.target.kind === 'node') {
        const { name } = step.target
        if (open.has(name)) issues.push(cycle(top.node.name, step.index, name, [...open]))
        else enter(name)
      }
    }
  }
  const depth = depths.get(rootNode) ?? 0
  if (depth > deepestGraph) {
    issues.push(error(['nodes'], `nodes lie ${depth} deep within each other: at most ${deepestGraph} are allowed`))
  }
  return issues
}

function depthOf({ steps }: GraphNode, depths: ReadonlyMap<string, number>): number {
  let deepest = 0
  for (const { target } of steps) if (target.kind === 'node') deepest = Math.max(deepest, depths.get(target.name) ?? 0)
  return deepest + 1
}

function cycle(node: string, index: number, to: string, trail: readonly string[]): SpecIssue {
  const names = [...trail.slice(trail.indexOf(to)), to]
  const shown = names.length > 12 ? [...names.slice(0, 6), '…', ...names.slice(-5)] : names
  return error(['nodes', node, 'steps', index, 'nodeName'], `the graph goes round in a circle: ${shown.join(' → ')}`)
}

function error(path: SpecPath, message: string): SpecIssue {
  return { severity: 'error', path, message }
}

function warning(path: SpecPath, message: string): SpecIssue {
  return { severity: 'warning', path, message }
}
