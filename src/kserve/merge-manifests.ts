/** Manifests with single objects put in, or taken out. */
import type { Manifest, Manifests } from './manifests.ts'

type Lists = Omit<Manifests, 'warnings'>

/** An object of a cluster, by what tells it from others. */
export interface ObjectKey {
  readonly kind: string
  /** Empty for objects of the whole cluster. */
  readonly namespace: string
  readonly name: string
}

export const noManifests: Manifests = {
  inferenceServices: [],
  servingRuntimes: [],
  inferenceGraphs: [],
  secrets: [],
  serviceAccounts: [],
  warnings: [],
}

/** All objects of several manifests; of two with one key the later counts. */
export function mergeManifests(...all: readonly Manifests[]): Manifests {
  const merged = (key: keyof Lists): readonly Manifest<unknown>[] => {
    const byKey = new Map(all.flatMap((each) => each[key]).map((manifest) => [keyOf(manifest), manifest]))
    return [...byKey.values()]
  }
  // Each list is made of the lists of the same name.
  return { ...lists(merged), warnings: all.flatMap(({ warnings }) => warnings) } as Manifests
}

/** Without one object. */
export function withoutObject(manifests: Manifests, key: ObjectKey): Manifests {
  const left = (list: keyof Lists): readonly Manifest<unknown>[] =>
    manifests[list].filter((manifest) => keyOf(manifest) !== keyOf(key))
  return { ...lists(left), warnings: manifests.warnings } as Manifests // the same lists, shorter
}

/** Every object, those that others need first. */
export function objectsOf(manifests: Manifests): readonly Manifest<unknown>[] {
  const { secrets, serviceAccounts, servingRuntimes, inferenceServices, inferenceGraphs } = manifests
  return [...secrets, ...serviceAccounts, ...servingRuntimes, ...inferenceServices, ...inferenceGraphs]
}

/** One text for one key. */
export function keyOf({ kind, namespace, name }: ObjectKey): string {
  return `${kind}\0${namespace}\0${name}`
}

function lists<T>(of: (key: keyof Lists) => T): Record<keyof Lists, T> {
  return {
    inferenceServices: of('inferenceServices'),
    servingRuntimes: of('servingRuntimes'),
    inferenceGraphs: of('inferenceGraphs'),
    secrets: of('secrets'),
    serviceAccounts: of('serviceAccounts'),
  }
}
