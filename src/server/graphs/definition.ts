/** Graphs and services as a program gives them. */
import type { SpecPath } from '../../graph/index.ts'

/** An InferenceGraph that a server runs. */
export interface GraphDefinition {
  /** Callers use it as the name of a model. */
  readonly name: string
  /** Part of its host names: `<name>.<namespace>` and `<name>-<namespace>.<domain>`; `default` where absent. */
  readonly namespace?: string
  /** The `spec` of an InferenceGraph (serving.kserve.io/v1alpha1) as plain objects, as YAML or JSON gives them. */
  readonly spec: unknown
  /** The `servable` block of the graph where it does not stand in the `spec`: from an annotation. */
  readonly servable?: unknown
  /** Headers that go on to the steps, as KServe's `router.headers.propagate`: regular expressions for `X-Request-Id`. */
  readonly propagateHeaders?: readonly string[]
  /** How messages tell where a part of the `spec` stands: `graph.yaml:12`. */
  readonly where?: (path: SpecPath) => string | undefined
}

/** What stands behind a `serviceName`: a model of this server, or the URL to which its requests are posted. */
export type ServiceDefinition =
  | {
      readonly model: string
      /** How bodies that come as bytes are read; where absent, those with `inputs` that name a datatype as V2, others as V1. */
      readonly protocol?: 'v1' | 'v2'
    }
  | { readonly url: string }

/** Services by the names that graphs use. A name that is not among them is a model or a graph of this server. */
export type ServiceDefinitions = Readonly<Record<string, ServiceDefinition>>

/** The graphs of a server. */
export interface GivenGraphs {
  /** Inference graphs over the models of the server and over services elsewhere. */
  readonly graphs: readonly GraphDefinition[]
  /** What stands behind the services that graphs name. */
  readonly services: ServiceDefinitions
}
