/** The kinds of objects that are known here, by the names that a cluster's API and kubectl have for them. */

export interface Resource {
  readonly kind: string
  readonly apiVersion: string
  /** As in the path of the API: `inferenceservices`. */
  readonly plural: string
  /** What people type instead. */
  readonly aliases: readonly string[]
  /** False where it belongs to the whole cluster. */
  readonly isNamespaced: boolean
}

const serving = 'serving.kserve.io'

/** What others need comes first: so a list is applied. */
export const resources = [
  { kind: 'Secret', apiVersion: 'v1', plural: 'secrets', aliases: ['secret'], isNamespaced: true },
  {
    kind: 'ServiceAccount',
    apiVersion: 'v1',
    plural: 'serviceaccounts',
    aliases: ['serviceaccount', 'sa'],
    isNamespaced: true,
  },
  {
    kind: 'ClusterServingRuntime',
    apiVersion: `${serving}/v1alpha1`,
    plural: 'clusterservingruntimes',
    aliases: ['clusterservingruntime', 'csr'],
    isNamespaced: false,
  },
  {
    kind: 'ServingRuntime',
    apiVersion: `${serving}/v1alpha1`,
    plural: 'servingruntimes',
    aliases: ['servingruntime', 'sr'],
    isNamespaced: true,
  },
  {
    kind: 'InferenceService',
    apiVersion: `${serving}/v1beta1`,
    plural: 'inferenceservices',
    aliases: ['inferenceservice', 'isvc'],
    isNamespaced: true,
  },
  {
    kind: 'InferenceGraph',
    apiVersion: `${serving}/v1alpha1`,
    plural: 'inferencegraphs',
    aliases: ['inferencegraph', 'ig'],
    isNamespaced: true,
  },
] as const satisfies readonly Resource[]

export type ResourceKind = (typeof resources)[number]['kind']

/** By kind, plural or alias, in any case. */
export function resourceNamed(name: string): (typeof resources)[number] | undefined {
  const wanted = name.toLowerCase().split('.')[0] ?? ''
  return resources.find(
    ({ kind, plural, aliases }) =>
      kind.toLowerCase() === wanted || plural === wanted || aliases.some((alias) => alias === wanted),
  )
}

/** The path of the API: of one object, or of all in a namespace, or of all in all of them. */
export function resourcePath(
  { apiVersion, plural, isNamespaced }: Resource,
  namespace?: string,
  name?: string,
): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const within = isNamespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${base}${within}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`
}
