/** What stands behind each step of a graph: a model, another graph, or a URL. */
import { InferenceError } from '../../core/errors.ts'
import { nearest } from '../../core/nearest.ts'
import type { GraphSpec, GraphStep, ServiceTarget } from '../../graph/index.ts'
import type { GraphDefinition, ServiceDefinitions } from './definition.ts'

export type Service =
  | { readonly kind: 'model'; readonly name: string; readonly protocol: 'v1' | 'v2' | undefined }
  | { readonly kind: 'graph'; readonly name: string }
  | { readonly kind: 'remote'; readonly url: URL }

/** What the names in a graph may stand for. */
export interface KnownNames {
  readonly models: ReadonlySet<string>
  readonly graphs: ReadonlySet<string>
  readonly services: ServiceDefinitions
}

/** Services by step; steps that lead to a node of the same graph have none. */
export type ServicesByStep = ReadonlyMap<GraphStep, Service>

/** @throws InferenceError `invalid_argument` that lists every step whose service does not exist, with its place */
export function resolveServices(graph: GraphDefinition, spec: GraphSpec, known: KnownNames): ServicesByStep {
  const services = new Map<GraphStep, Service>()
  const complaints: string[] = []
  for (const node of spec.nodes.values()) {
    for (const step of node.steps) {
      if (step.target.kind === 'node') continue
      const found = resolveService(step.target, known)
      if (typeof found !== 'string') {
        services.set(step, found)
        continue
      }
      const field = step.target.kind === 'url' ? 'serviceUrl' : 'serviceName'
      const place = graph.where?.(['nodes', node.name, 'steps', step.index, field])
      complaints.push(`${place === undefined ? '' : `${place}: `}step '${step.key}' of node '${node.name}': ${found}`)
    }
  }
  if (complaints.length === 0) return services
  throw new InferenceError('invalid_argument', complaints.map((text) => `graph '${graph.name}': ${text}`).join('\n'))
}

/** @returns the service, or why there is none */
function resolveService(target: ServiceTarget, known: KnownNames): Service | string {
  if (target.kind === 'url') return remote(target.url)
  const { name } = target
  const given = Object.hasOwn(known.services, name) ? known.services[name] : undefined
  if (given === undefined) return local(name, undefined, known, `service '${name}'`)
  if ('url' in given) return remote(given.url)
  return local(given.model, given.protocol, known, `service '${name}' is model '${given.model}', which`)
}

function local(name: string, protocol: 'v1' | 'v2' | undefined, known: KnownNames, what: string): Service | string {
  if (known.models.has(name)) return { kind: 'model', name, protocol }
  if (known.graphs.has(name)) return { kind: 'graph', name }
  const names = [...known.models, ...known.graphs, ...Object.keys(known.services)]
  const near = nearest(name, names)
  const hint =
    near !== undefined
      ? `did you mean '${near}'?`
      : names.length === 0
        ? 'there are none'
        : `there are ${names.slice(0, 20).join(', ')}`
  return `${what} is no model or graph of this server and not among its services: ${hint}`
}

function remote(text: string): Service | string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return { kind: 'remote', url }
  return `'${text}' is no URL that can be called: it must begin with http:// or https://`
}
