/** Objects of this server as Kubernetes' API shows them. */
import { resources, type Manifest } from '../../kserve/index.ts'
import { timeOf } from './conditions.ts'
import { specWithPercent, type Content, type DesiredObject } from './desired.ts'

/** What the manifest says; the share of a rollout is the one that counts now. */
export function contentOf(manifest: Manifest<unknown>, { source, rollout }: Partial<DesiredObject>): Content {
  const { kind, labels, annotations, spec } = manifest
  if (kind === 'Secret') return { labels, annotations, spec: source?.kind === 'text' ? source.text : '' }
  if (rollout === undefined) return { labels, annotations, spec }
  return { labels, annotations, spec: specWithPercent(spec, rollout.percent) }
}

/** @param status absent for kinds that have none */
export function documentOf(object: DesiredObject, manifest: Manifest<unknown>, status?: object): object {
  const { kind, name, namespace, generation, resourceVersion, uid, createdMs } = object
  const { labels, annotations, spec } = contentOf(manifest, object)
  return {
    apiVersion: resources.find((resource) => resource.kind === kind)?.apiVersion ?? '',
    kind,
    metadata: {
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      creationTimestamp: timeOf(createdMs),
      generation,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      name,
      ...(namespace === '' ? {} : { namespace }),
      resourceVersion: String(resourceVersion),
      uid,
    },
    // Secrets are taken and never given.
    ...(kind === 'Secret' ? {} : { spec: spec ?? {} }),
    ...(status === undefined ? {} : { status: { ...status, observedGeneration: generation } }),
  }
}

/** Several of one kind. */
export function listOf(kind: string, apiVersion: string, items: readonly object[], version: number): object {
  return { apiVersion, kind: `${kind}List`, metadata: { resourceVersion: String(version) }, items }
}
