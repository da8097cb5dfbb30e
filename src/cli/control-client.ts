/** Calls of the control API of a running server, with errors that say what to do. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { resourceNamed, resourcePath, resources, type Resource } from '../kserve/index.ts'

/** An object as the API shows it; whatever is not there is undefined. */
export interface ShownObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: {
    readonly name?: string
    readonly namespace?: string
    readonly creationTimestamp?: string
    readonly generation?: number
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: unknown
  readonly status?: ShownStatus
}

export interface ShownStatus {
  readonly url?: string
  readonly address?: { readonly url?: string }
  readonly conditions?: readonly ShownCondition[]
  readonly modelStatus?: {
    readonly transitionStatus?: string
    readonly states?: { readonly activeModelState?: string; readonly targetModelState?: string }
    readonly copies?: { readonly failedCopies?: number; readonly totalCopies?: number }
    readonly lastFailureInfo?: {
      readonly reason?: string
      readonly message?: string
      readonly modelRevisionName?: string
    }
  }
  readonly components?: { readonly predictor?: ShownPredictor }
  readonly servingRuntimeName?: string
  readonly clusterServingRuntimeName?: string
}

export interface ShownCondition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

export interface ShownPredictor {
  readonly latestCreatedRevision?: string
  readonly latestReadyRevision?: string
  readonly latestRolledoutRevision?: string
  readonly previousRolledoutRevision?: string
  readonly traffic?: readonly {
    readonly revisionName?: string
    readonly percent?: number
    readonly latestRevision?: boolean
    readonly tag?: string
    readonly url?: string
  }[]
}

export interface ControlAnswer {
  /** An object, or a list of them as `items`. */
  readonly body: ShownObject & { readonly items?: readonly ShownObject[] }
  readonly outcome: string | undefined
  readonly warnings: readonly string[]
}

/** Longer than any answer takes: loads go on after it. */
const timeoutMs = 60_000

export class ControlClient {
  readonly #base: string

  /** @param server `http://127.0.0.1:8080`, or `localhost:8080` */
  constructor(server: string) {
    const url = server.includes('://') ? server : `http://${server}`
    if (!URL.canParse(url)) throw new InferenceError('invalid_argument', `--server: '${server}' is no URL`)
    this.#base = url.replace(/\/+$/, '')
  }

  /** @throws InferenceError with the server's own words, or why nobody answered */
  async call(method: string, path: string, body?: string): Promise<ControlAnswer> {
    const response = await this.#fetch(method, path, body)
    const text = await response.text()
    const value = parsed(text)
    if (response.ok && value !== undefined) {
      const warnings = response.headers.get('warning') ?? ''
      return {
        body: value,
        outcome: response.headers.get('servable-outcome') ?? undefined,
        warnings: [...warnings.matchAll(/299 - "([^"]*)"/g)].map(([, warning = '']) => warning),
      }
    }
    if (value?.kind === 'Status') throw refusalOf(response.status, value)
    throw new InferenceError(
      'failed_precondition',
      `the server at ${this.#base} has no control API (${response.status}): it is open where the server listens on ` +
        'a loopback address, or was started with --control on',
    )
  }

  async #fetch(method: string, path: string, body: string | undefined): Promise<Response> {
    const signal = AbortSignal.timeout(timeoutMs)
    try {
      return await fetch(`${this.#base}${path}`, { method, signal, ...(body === undefined ? {} : { body }) })
    } catch (reason) {
      const cause = reason instanceof Error && reason.cause !== undefined ? reason.cause : reason
      throw new InferenceError(
        'unavailable',
        `no server answers at ${this.#base} (${messageOf(cause)}): start one with \`servable serve --control on\`, ` +
          'or name it by --server or SERVABLE_SERVER',
      )
    }
  }
}

/** How an error begins, as kubectl has it, and its text. */
function refusalOf(status: number, value: object): InferenceError {
  const reason = 'reason' in value && typeof value.reason === 'string' ? value.reason : String(status)
  const message = 'message' in value && typeof value.message === 'string' ? value.message : ''
  const code = status === 404 ? 'not_found' : status === 409 ? 'failed_precondition' : 'invalid_argument'
  return new InferenceError(code, reason === 'Invalid' ? message : `Error from server (${reason}): ${message}`)
}

function parsed(text: string): ControlAnswer['body'] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    // Every field of it may be absent, and is looked at as such.
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** What is asked for on a command line: `isvc`, `isvc iris`, `isvc/iris`. */
export interface Asked {
  readonly kinds: readonly Resource[]
  readonly names: readonly string[]
}

/** @throws InferenceError `invalid_argument` where there is no such kind */
export function readAsked(positionals: readonly string[]): Asked {
  const [first = '', ...rest] = positionals
  const [type = '', name] = first.split('/')
  const kinds = kindsOf(type)
  if (name === undefined) return { kinds, names: rest }
  const others = rest.map((text) => text.split('/'))
  const odd = others.find(([other = '', second]) => second === undefined || kindsOf(other)[0] !== kinds[0])
  if (odd !== undefined) throw new InferenceError('invalid_argument', `'${odd.join('/')}': expected ${type}/NAME`)
  return { kinds, names: [name, ...others.map(([, second = '']) => second)] }
}

function kindsOf(type: string): readonly Resource[] {
  if (type === 'runtimes' || type === 'runtime') {
    return resources.filter(({ kind }) => kind.endsWith('ServingRuntime'))
  }
  const found = type === '' ? undefined : resourceNamed(type)
  if (found !== undefined) return [found]
  throw new InferenceError(
    'invalid_argument',
    `${type === '' ? 'which kind?' : `there is no kind '${type}':`} isvc, ig, runtimes, servingruntimes, clusterservingruntimes, secrets`,
  )
}

/** `inferenceservice.serving.kserve.io/iris` */
export function shownName({ kind, apiVersion }: Pick<Resource, 'kind' | 'apiVersion'>, name: string): string {
  return `${shownKind({ kind, apiVersion })}/${name}`
}

export function shownKind({ kind, apiVersion }: Pick<Resource, 'kind' | 'apiVersion'>): string {
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0] ?? ''}` : ''
  return `${kind.toLowerCase()}${group}`
}

/** The path of an object, which may have no namespace. */
export function pathOf(resource: Resource, namespace: string, name?: string): string {
  return resourcePath(resource, resource.isNamespaced ? namespace : undefined, name)
}
