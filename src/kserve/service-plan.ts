/** What surrounds the model of an InferenceService: transformer, explainer, limits and loggers, as plain data. */

export const componentRoles = ['predictor', 'transformer', 'explainer'] as const
export type ComponentRole = (typeof componentRoles)[number]

/** How a transformer or an explainer that is no hook is reached. */
export type ComponentWay =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'command'
      /** The program and its first arguments. */
      readonly command: readonly string[]
      /** KServe's own (`--model_name`, …) are added where these have none. */
      readonly args: readonly string[]
      readonly env: Readonly<Record<string, string>>
      /** Directory to start in: that of the manifest. */
      readonly directory: string
    }

/** A transformer or an explainer that runs outside of this process. */
export interface PlannedComponent {
  readonly role: Exclude<ComponentRole, 'predictor'>
  readonly way: ComponentWay
  /** Without a request for so long a command is ended until the next one. */
  readonly idleSeconds?: number
  /** Where the manifest says so: `isvc.yaml:12`. */
  readonly place: string
}

/** What one component takes at most. */
export interface PlannedLimits {
  /** For one request, its wait included. */
  readonly timeoutSeconds?: number
  /** Requests at a time; as many as the sessions take where absent. */
  readonly concurrency?: number
}

export type LogMode = 'all' | 'request' | 'response'

/** Requests and answers of one component as CloudEvents. */
export interface PlannedLogger {
  readonly mode: LogMode
  /** That of the server where absent. */
  readonly url?: string
  /** Headers that go along, in any case. */
  readonly metadataHeaders: readonly string[]
  /** Annotations of the service that go along, with their values. */
  readonly annotations: Readonly<Record<string, string>>
}

/** By component; those without any are absent. */
export type ByRole<T> = Readonly<Partial<Record<ComponentRole, T>>>
