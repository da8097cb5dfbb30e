/** An InferenceGraph (serving.kserve.io/v1alpha1) as the engine runs it. */
import type { Condition } from './condition.ts'
import type { GjsonPath } from './gjson.ts'

export type RouterType = 'Sequence' | 'Switch' | 'Ensemble' | 'Splitter'

/** Where a step's call goes. `service` is an InferenceService by name, which whoever makes the call resolves. */
export type ServiceTarget =
  { readonly kind: 'service'; readonly name: string } | { readonly kind: 'url'; readonly url: string }

/** `node` is another node of the same graph. */
export type StepTarget = ServiceTarget | { readonly kind: 'node'; readonly name: string }

/** What a step is given; `path` leads to a part of it. */
export type DataSource =
  | { readonly from: 'request' }
  | { readonly from: 'response'; readonly path?: GjsonPath }
  | { readonly from: 'step'; readonly step: string; readonly path?: GjsonPath }

export interface GraphStep {
  /** Place among the steps of its node, from 0. */
  readonly index: number
  readonly name?: string
  /** The name, else the index: the key of an Ensemble's answer. */
  readonly key: string
  readonly target: StepTarget
  readonly data: DataSource
  /** A body with `predictions` is sent as `instances`. */
  readonly mapsPredictions: boolean
  /** Per cent, of a Splitter. */
  readonly weight?: number
  readonly condition?: Condition
  /** `Hard`: an answer outside 200–299 is the answer of the node. */
  readonly dependency: 'Hard' | 'Soft'
  readonly options: StepOptions
}

/** What KServe's router cannot do: the `servable` block of a step. */
export interface StepOptions {
  readonly mapping?: MappingOptions
  readonly timeoutMs?: number
  readonly retries?: RetryOptions
  readonly circuitBreaker?: BreakerOptions
  /** Gets a copy of the request; nobody waits for its answer. */
  readonly isShadow?: boolean
}

/** An answer becomes a request: outputs become inputs by their names. */
export interface MappingOptions {
  /** Of the request; `auto`: the one of the answer. */
  readonly protocol: 'auto' | 'v1' | 'v2'
  /** Names of outputs to names of inputs. */
  readonly rename: ReadonlyMap<string, string>
}

export interface RetryOptions {
  /** Calls after the first one. */
  readonly attempts: number
  /** Wait before the first retry; doubles from one to the next. */
  readonly backoffMs: number
  /** Statuses that are worth another call. A call without an answer always is. */
  readonly statuses: readonly number[]
}

export interface BreakerOptions {
  /** Failures in a row that open the breaker: no answer, or a status from 500 on. */
  readonly failures: number
  /** How long it stays open before one call may try. */
  readonly openMs: number
}

export type CombineMethod = 'vote' | 'mean' | 'weightedMean' | 'max' | 'concat'

/** How an Ensemble makes one answer of many. */
export interface CombineOptions {
  readonly method: CombineMethod
  /** Methods of single outputs, by name. */
  readonly outputs: ReadonlyMap<string, CombineMethod>
  /** By the key of the step; 1 where absent. */
  readonly weights: ReadonlyMap<string, number>
  /** The dimension that `concat` joins. */
  readonly axis: number
}

/** The `servable` block of a node. */
export interface NodeOptions {
  /** Sequence: the answers of all steps, by step (as an Ensemble has them) or as one V2 answer with all outputs. */
  readonly merge?: 'steps' | 'outputs'
  /** Switch: the key of the step that is taken where no condition holds. */
  readonly default?: string
  /** Splitter: the header whose value decides, so that a caller stays with a step. */
  readonly stickyHeader?: string
  readonly combine?: CombineOptions
}

export interface GraphNode {
  readonly name: string
  /** A {@link RouterType}; any other text fails when the node is reached, as in KServe. */
  readonly routerType: string
  readonly steps: readonly GraphStep[]
  readonly options: NodeOptions
}

/** `routerTimeouts`, in seconds. The first three are the listener's. */
export interface RouterTimeouts {
  readonly serverRead?: number
  readonly serverWrite?: number
  readonly serverIdle?: number
  /** Of each call to a step. */
  readonly serviceClient?: number
}

/** The `servable` block of the whole graph. */
export interface GraphOptions {
  /** A Soft step without an answer, or a Switch in it that matches nothing, is a failed answer and no failed request. */
  readonly keepsGoing: boolean
  /** Steps that one request may run. */
  readonly maxSteps: number
}

export interface GraphSpec {
  readonly nodes: ReadonlyMap<string, GraphNode>
  readonly timeouts: RouterTimeouts
  /** `timeout`, of a whole request. */
  readonly timeoutSeconds?: number
  readonly options: GraphOptions
}

export const rootNode = 'root'
export const routerTypes: readonly RouterType[] = ['Sequence', 'Switch', 'Ensemble', 'Splitter']
/** A request that runs more steps is refused: nodes that fan out and share children multiply. */
export const defaultMaxSteps = 10_000

/** Where something stands in the document: keys and indices from the `spec` down. */
export type SpecPath = readonly (string | number)[]

/** What is wrong, or odd, in a graph. */
export interface SpecIssue {
  /** `error`: KServe refuses it, or it can never run. `warning`: it runs, but hardly as meant. */
  readonly severity: 'error' | 'warning'
  readonly path: SpecPath
  readonly message: string
}
