/** What manifests say, read and checked field by field; whether it can be served is looked at by `plan`. */
import type { SecretText } from './secret-text.ts'
import type { Where } from './place.ts'
import type { InferenceServiceSpec, ServingRuntimeSpec } from './schemas.ts'

/** One object of a cluster. */
export interface Manifest<T> {
  readonly kind: string
  readonly name: string
  /** `default` where the document names none; empty for objects of the whole cluster. */
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** When a cluster took it, in milliseconds since 1970; 0 where the document does not say. */
  readonly createdMs: number
  readonly spec: T
  readonly file: string
  readonly where: Where
}

export interface SecretContent {
  readonly type: string
  readonly values: ReadonlyMap<string, SecretText>
}

export interface ServiceAccountContent {
  /** Names of Secrets. */
  readonly secrets: readonly string[]
}

/** Everything that was found under some paths. No two objects of a kind have one name in one namespace. */
export interface Manifests {
  readonly inferenceServices: readonly Manifest<InferenceServiceSpec>[]
  /** ServingRuntimes, and ClusterServingRuntimes, whose namespace is empty. */
  readonly servingRuntimes: readonly Manifest<ServingRuntimeSpec>[]
  /** The `spec` as it stands: the graph engine reads it. */
  readonly inferenceGraphs: readonly Manifest<unknown>[]
  readonly secrets: readonly Manifest<SecretContent>[]
  readonly serviceAccounts: readonly Manifest<ServiceAccountContent>[]
  /** What was left alone, one line each, with file and line. */
  readonly warnings: readonly string[]
}
