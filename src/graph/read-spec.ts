/** Reads an InferenceGraph's `spec`, as YAML or JSON gives it, into what the engine runs. */
import { nearest } from '../core/nearest.ts'
import { existenceCondition, truthCondition } from './condition.ts'
import type { Condition } from './condition.ts'
import { compileGjson } from './gjson.ts'
import type { GjsonPath } from './gjson.ts'
import { graphBlock, knownFields, specSchema } from './spec-schema.ts'
import type { GivenNode, GivenSpec, GivenStep, GraphBlock, NodeBlock, StepBlock } from './spec-schema.ts'
import { defaultMaxSteps } from './spec.ts'
import type {
  CombineOptions,
  DataSource,
  GraphNode,
  GraphSpec,
  GraphStep,
  NodeOptions,
  RouterTimeouts,
  SpecIssue,
  SpecPath,
  StepOptions,
  StepTarget,
} from './spec.ts'

/** A graph where the fields are of the right kinds, and what is wrong or odd about them. */
export interface ReadGraph {
  /** Undefined where a field is of a wrong kind. */
  readonly spec?: GraphSpec
  readonly issues: readonly SpecIssue[]
}

/**
 * Reads the fields of a graph. Whether its parts fit together is looked at by `checkSpec`.
 *
 * @param given the `spec` as plain objects
 * @param block the `servable` block where it stands elsewhere (an annotation); wins over the one in `given`
 */
export function readSpec(given: unknown, block?: unknown): ReadGraph {
  const parsed = specSchema.safeParse(given)
  const extra = block === undefined ? undefined : graphBlock.safeParse(block)
  const failures = [...(parsed.error?.issues ?? []), ...(extra?.error?.issues ?? []).map(underServable)]
  if (!parsed.success) return { issues: failures.map(issueOf) }
  const issues = [...failures.map(issueOf), ...unknownFields(parsed.data)]
  if (failures.length > 0) return { issues }
  const options = extra?.data ?? parsed.data.servable ?? graphBlock.parse({})
  return { spec: specOf(parsed.data, options, issues), issues }
}

interface Failure {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

function underServable({ path, message }: Failure): Failure {
  return { path: ['servable', ...path], message }
}

function issueOf({ path, message }: Failure): SpecIssue {
  const keys = path.map((key) => (typeof key === 'number' ? key : String(key)))
  return { severity: 'error', path: keys, message: `${nameOf(keys)}: ${message}` }
}

/** `nodes.root.steps[0].weight` */
export function nameOf(path: SpecPath): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')
  return text === '' ? 'spec' : text.replace(/^\./, '')
}

function unknownFields(given: GivenSpec): SpecIssue[] {
  const issues: SpecIssue[] = []
  const look = (value: object, known: readonly string[], path: SpecPath): void => {
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue
      const near = nearest(key, known)
      const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean '${near}'?`
      issues.push({ severity: 'warning', path: [...path, key], message: `unknown field '${key}': ${hint}` })
    }
  }
  look(given, knownFields.spec, [])
  if (given.routerTimeouts) look(given.routerTimeouts, knownFields.routerTimeouts, ['routerTimeouts'])
  for (const [name, node] of Object.entries(given.nodes)) {
    look(node, knownFields.node, ['nodes', name])
    node.steps?.forEach((step, index) => look(step, knownFields.step, ['nodes', name, 'steps', index]))
  }
  return issues
}

function specOf(given: GivenSpec, block: GraphBlock, issues: SpecIssue[]): GraphSpec {
  const nodes = new Map<string, GraphNode>()
  for (const [name, node] of Object.entries(given.nodes)) nodes.set(name, nodeOf(name, node, block, issues))
  for (const name of Object.keys(block.nodes ?? {})) {
    if (nodes.has(name)) continue
    const path = ['servable', 'nodes', name]
    issues.push({ severity: 'error', path, message: `servable.nodes names '${name}', but there is no such node` })
  }
  return {
    nodes,
    timeouts: timeoutsOf(given),
    ...(typeof given.timeout === 'number' && given.timeout > 0 ? { timeoutSeconds: given.timeout } : {}),
    options: { keepsGoing: block.keepGoing, maxSteps: block.maxSteps ?? defaultMaxSteps },
  }
}

function timeoutsOf({ routerTimeouts }: GivenSpec): RouterTimeouts {
  const entries = Object.entries(routerTimeouts ?? {}).filter(([, value]) => typeof value === 'number' && value > 0)
  return Object.fromEntries(entries)
}

function nodeOf(name: string, given: GivenNode, block: GraphBlock, issues: SpecIssue[]): GraphNode {
  const options: NodeBlock = { ...block.nodes?.[name], ...given.servable }
  const stepBlocks = { ...block.nodes?.[name]?.steps, ...given.servable?.steps }
  const steps = (given.steps ?? []).map((step, index) => {
    const own = { ...stepBlocks[String(index)], ...stepBlocks[step.name ?? ''], ...step.servable }
    issues.push(...checkOneTarget(step, ['nodes', name, 'steps', index]))
    return stepOf(step, index, own, block)
  })
  for (const key of Object.keys(stepBlocks)) {
    if (steps.some((step) => step.key === key || String(step.index) === key)) continue
    const near = nearest(
      key,
      steps.map((step) => step.key),
    )
    const message = `node '${name}' has no step '${key}'${near === undefined ? '' : `: did you mean '${near}'?`}`
    issues.push({ severity: 'error', path: ['nodes', name], message })
  }
  return { name, routerType: given.routerType, steps, options: nodeOptionsOf(options) }
}

function nodeOptionsOf({ merge, default: other, stickyHeader, combine }: NodeBlock): NodeOptions {
  return {
    ...(merge === undefined ? {} : { merge }),
    ...(other === undefined ? {} : { default: String(other) }),
    ...(stickyHeader === undefined ? {} : { stickyHeader: stickyHeader.toLowerCase() }),
    ...(combine === undefined ? {} : { combine: combineOf(combine) }),
  }
}

function combineOf(given: NonNullable<NodeBlock['combine']>): CombineOptions {
  const { method } = given
  const {
    outputs = {},
    weights = {},
    axis = 0,
  } = 'outputs' in given || 'weights' in given || 'axis' in given ? given : {}
  return { method, outputs: new Map(Object.entries(outputs)), weights: new Map(Object.entries(weights)), axis }
}

function stepOf(given: GivenStep, index: number, own: StepBlock, block: GraphBlock): GraphStep {
  const { name, weight } = given
  const condition = conditionOf(given, own, block)
  const arePaths = own.data !== undefined || block.data === 'paths'
  return {
    index,
    ...(name === undefined || name === '' ? {} : { name }),
    key: name === undefined || name === '' ? String(index) : name,
    target: targetOf(given),
    data: dataOf(own.data ?? given.data ?? '', index, arePaths),
    mapsPredictions: given.mapPredictionsToInstances === true,
    ...(weight === undefined ? {} : { weight }),
    ...(condition === undefined ? {} : { condition }),
    dependency: given.dependency === 'Hard' ? 'Hard' : 'Soft',
    options: stepOptionsOf(own, block),
  }
}

function conditionOf(given: GivenStep, own: StepBlock, block: GraphBlock): Condition | undefined {
  if (own.condition !== undefined) return truthCondition(own.condition)
  if (given.condition === undefined) return undefined
  return block.conditions === 'truth' && given.condition !== ''
    ? truthCondition(given.condition)
    : existenceCondition(given.condition)
}

function checkOneTarget(step: GivenStep, path: SpecPath): SpecIssue[] {
  const given = (['nodeName', 'serviceName', 'serviceUrl'] as const).filter((field) => (step[field] ?? '') !== '')
  if (given.length < 2) return []
  const message = `step '${step.name ?? ''}' has ${given.join(' and ')}: it must have exactly one of them`
  return [{ severity: 'error', path, message }]
}

/** In the order of the router: a node wins over a URL, and a service is what no URL was found for. */
function targetOf({ nodeName, serviceUrl, serviceName }: GivenStep): StepTarget {
  if (nodeName !== undefined && nodeName !== '') return { kind: 'node', name: nodeName }
  if (serviceUrl !== undefined && serviceUrl !== '') return { kind: 'url', url: serviceUrl }
  return { kind: 'service', name: serviceName ?? '' }
}

function dataOf(text: string, index: number, arePaths: boolean): DataSource {
  if (!arePaths) return text === '$response' && index > 0 ? { from: 'response' } : { from: 'request' }
  const step = /^\$steps\.([^.|]+)(?:\.(.+))?$/s.exec(text)
  if (step?.[1] !== undefined) return { from: 'step', step: step[1], ...pathOf(step[2]) }
  const response = /^\$response(?:\.(.+))?$/s.exec(text)
  return response !== null && index > 0 ? { from: 'response', ...pathOf(response[1]) } : { from: 'request' }
}

function pathOf(path: string | undefined): { readonly path?: GjsonPath } {
  return path === undefined ? {} : { path: compileGjson(path) }
}

function stepOptionsOf(own: StepBlock, block: GraphBlock): StepOptions {
  const protocol = own.mapping ?? block.mapping
  const rename = new Map(Object.entries(own.rename ?? {}))
  return {
    ...(protocol === 'none' ? {} : { mapping: { protocol, rename } }),
    ...(own.timeoutMs === undefined ? {} : { timeoutMs: own.timeoutMs }),
    ...(own.retries === undefined ? {} : { retries: own.retries }),
    ...(own.circuitBreaker === undefined ? {} : { circuitBreaker: own.circuitBreaker }),
    ...(own.shadow === true ? { isShadow: true } : {}),
  }
}
