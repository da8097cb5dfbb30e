/** An InferenceGraph of a manifest, as the graph engine runs it. */
import { parse } from 'yaml'
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { loadSpec, type GraphSpec } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import type { Manifest } from './manifests.ts'
import type { PlannedGraph } from './plan.ts'
import type { InferenceServiceSpec } from './schemas.ts'

/** Holds the `servable` block of a graph, as YAML or JSON, where its `spec` shall have none. */
export const graphAnnotation = 'servable/graph'

/** Fields of the `spec` that only a cluster can honour. */
const clusterFields = [
  'resources',
  'affinity',
  'minReplicas',
  'maxReplicas',
  'scaleTarget',
  'scaleMetric',
  'tolerations',
  'nodeSelector',
  'nodeName',
  'serviceAccountName',
]

/** @returns undefined where something is wrong, which is then among the complaints */
export function planGraph(
  manifest: Manifest<unknown>,
  services: readonly Manifest<InferenceServiceSpec>[],
  complaints: DocumentComplaints,
): PlannedGraph | undefined {
  const { name, namespace, where } = manifest
  const spec = specOf(manifest, complaints)
  if (spec === undefined) return undefined
  tellClusterFields(manifest.spec, complaints)
  checkServices(spec, manifest, services, complaints)
  return { name, namespace, spec, place: where(['metadata', 'name']) }
}

function specOf(
  { spec, where, annotations }: Manifest<unknown>,
  complaints: DocumentComplaints,
): GraphSpec | undefined {
  const block = annotations[graphAnnotation]
  try {
    const given = block === undefined ? undefined : blockOf(block)
    // The block is one text of the document: what is in it stands where the annotation stands.
    const place = (path: readonly (string | number)[]) =>
      block !== undefined && path[0] === 'servable'
        ? where(['metadata', 'annotations', graphAnnotation])
        : where(['spec', ...path])
    const loaded = loadSpec(spec, place, given)
    complaints.addWarnings(loaded.warnings)
    return loaded.spec
  } catch (reason) {
    if (!(reason instanceof InferenceError)) throw reason
    for (const line of reason.message.split('\n')) complaints.add(line)
    return undefined
  }

  function blockOf(text: string): unknown {
    try {
      const value: unknown = parse(text, { maxAliasCount: 0, logLevel: 'silent' })
      return value
    } catch {
      const place = where(['metadata', 'annotations', graphAnnotation])
      throw new InferenceError('invalid_argument', `${place}: metadata.annotations.${graphAnnotation}: is no YAML`)
    }
  }
}

function tellClusterFields(spec: unknown, complaints: DocumentComplaints): void {
  const given = typeof spec === 'object' && spec !== null ? Object.keys(spec) : []
  const found = given.filter((field) => clusterFields.includes(field))
  if (found.length > 0) complaints.warn(['spec'], `only a cluster can honour ${found.join(', ')}`)
}

function checkServices(
  spec: GraphSpec,
  { namespace }: Manifest<unknown>,
  services: readonly Manifest<InferenceServiceSpec>[],
  complaints: DocumentComplaints,
): void {
  const names = services.filter((each) => each.namespace === namespace).map(({ name }) => name)
  for (const node of spec.nodes.values()) {
    for (const { target, index } of node.steps) {
      if (target.kind !== 'service' || target.name === '' || names.includes(target.name)) continue
      const meant = nearest(target.name, names)
      const there = names.length === 0 ? 'there is none' : `there are ${names.join(', ')}`
      complaints.error(
        ['spec', 'nodes', node.name, 'steps', index, 'serviceName'],
        `no InferenceService '${target.name}' in namespace '${namespace}': ${meant === undefined ? there : `did you mean '${meant}'?`}`,
      )
    }
  }
}
