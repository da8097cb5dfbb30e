/** An InferenceGraph of a manifest, as a server opens it. */
import { InferenceError } from '../core/errors.ts'
import { clusterFields, loadSpec, type GraphSpec, type SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { parseDocuments } from './documents.ts'
import type { Manifest } from './manifests.ts'
import type { PlannedGraph } from './plan.ts'
import type { InferenceServiceSpec } from './schemas.ts'

/** Holds the `servable` block of a graph, as YAML or JSON, where its `spec` shall have none. */
export const graphAnnotation = 'servable/graph'

/** @returns undefined where something is wrong, which is then among the complaints */
export function planGraph(
  manifest: Manifest<unknown>,
  services: readonly Manifest<InferenceServiceSpec>[],
  complaints: DocumentComplaints,
): PlannedGraph | undefined {
  const { name, namespace, annotations } = manifest
  const block = annotations[graphAnnotation]
  const isInAnnotation = block !== undefined
  const where = (path: SpecPath): string =>
    isInAnnotation && path[0] === 'servable'
      ? manifest.where(['metadata', 'annotations', graphAnnotation])
      : manifest.where(['spec', ...path])
  try {
    const servable = isInAnnotation ? blockOf(block, where(['servable'])) : undefined
    const { spec } = loadSpec(manifest.spec, where, servable)
    tellClusterFields(manifest.spec, complaints)
    checkNamespaces(spec, manifest, services, complaints)
    tellClusterAddresses(spec, services, complaints)
    return { name, namespace, spec: manifest.spec, ...(isInAnnotation ? { servable } : {}), where }
  } catch (reason) {
    if (!(reason instanceof InferenceError)) throw reason
    for (const line of reason.message.split('\n')) complaints.add(line)
    return undefined
  }
}

function blockOf(text: string, place: string): unknown {
  try {
    return parseDocuments(text, graphAnnotation)[0]?.value
  } catch {
    throw new InferenceError('invalid_argument', `${place}: metadata.annotations.${graphAnnotation}: is no YAML`)
  }
}

function tellClusterFields(spec: unknown, complaints: DocumentComplaints): void {
  const given = typeof spec === 'object' && spec !== null ? Object.keys(spec) : []
  const found = given.filter((field) => clusterFields.includes(field))
  if (found.length > 0) complaints.warn(['spec'], `only a cluster can honour ${found.join(', ')}`)
}

/** A service of the manifests is served here, not at its address in the cluster. */
function tellClusterAddresses(
  spec: GraphSpec,
  services: readonly Manifest<InferenceServiceSpec>[],
  complaints: DocumentComplaints,
): void {
  for (const node of spec.nodes.values()) {
    for (const { target, index } of node.steps) {
      if (target.kind !== 'url' || !URL.canParse(target.url)) continue
      const [host = '', namespace] = new URL(target.url).hostname.split('.')
      const name = host.replace(/-predictor(-default)?$/, '')
      if (!services.some((each) => each.name === name && each.namespace === namespace)) continue
      const path = ['spec', 'nodes', node.name, 'steps', index, 'serviceUrl']
      complaints.warn(
        path,
        `is an address in the cluster; InferenceService '${name}' is served here: serviceName: ${name}`,
      )
    }
  }
}

/** A graph calls services of its own namespace. Names that no manifest has may be models of the server. */
function checkNamespaces(
  spec: GraphSpec,
  { namespace }: Manifest<unknown>,
  services: readonly Manifest<InferenceServiceSpec>[],
  complaints: DocumentComplaints,
): void {
  for (const node of spec.nodes.values()) {
    for (const { target, index } of node.steps) {
      if (target.kind !== 'service') continue
      const service = services.find(({ name }) => name === target.name)
      if (service === undefined || service.namespace === namespace) continue
      const path = ['spec', 'nodes', node.name, 'steps', index, 'serviceName']
      const message = `InferenceService '${target.name}' is in namespace '${service.namespace}', the graph in '${namespace}'`
      complaints.error(path, message)
    }
  }
}
