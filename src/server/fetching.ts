/** Models that do not lie on this machine: their URIs become paths, some at a time, and a failure is that of its model alone. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { Limiter } from '../core/limiter.ts'
import type { Log } from '../core/log.ts'
import { fetchModel, isUri, shownUri, type FetchedModel } from '../storage/index.ts'
import type { ServeConfig } from './config.ts'

/** Models that are downloaded at once; each reads several files at a time. */
const concurrentFetches = 4

export type Fetched =
  | { readonly kind: 'local'; readonly path: string }
  | {
      readonly kind: 'failed'
      /** Without secrets. */
      readonly uri: string
      /** What the model would probably have been called. */
      readonly name: string
      readonly reason: string
    }

export interface FetchingOptions {
  readonly config: Pick<ServeConfig, 'cacheDir' | 'cacheBudget' | 'pvc'>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
  /** Ends downloads, as {@link Fetching.close} does. */
  readonly signal?: AbortSignal
}

type Environment = Readonly<Record<string, string | undefined>>

/** What a server has fetched: in use until it is fetched in another form twice. */
export class Fetching {
  readonly #options: FetchingOptions
  readonly #limiter = new Limiter(concurrentFetches)
  /** Per URI the last two: of a reload, the one before serves until the next one is ready. */
  readonly #used = new Map<string, readonly FetchedModel[]>()
  readonly #closing = new AbortController()
  readonly #signal: AbortSignal

  constructor(options: FetchingOptions) {
    this.#options = options
    const own = this.#closing.signal
    this.#signal = options.signal === undefined ? own : AbortSignal.any([options.signal, own])
  }

  /** Ends downloads; what is fetched stays in use until the process ends. */
  close(): void {
    this.#closing.abort(new InferenceError('unavailable', 'Server is shutting down.'))
  }

  /**
   * @param path path or URI
   * @param environment variables over those of the process, for the credentials of one model
   * @throws InferenceError `cancelled` or the signal's, once the signal has fired; every other failure is returned
   */
  get(path: string, environment: Environment = {}): Promise<Fetched> {
    return this.#limiter.run(async () => {
      const { config, log } = this.#options
      const signal = this.#signal
      try {
        const fetched = await fetchModel(path, {
          ...(config.cacheDir === undefined ? {} : { cacheDirectory: config.cacheDir }),
          ...(config.cacheBudget === undefined ? {} : { cacheBudgetBytes: config.cacheBudget }),
          environment: { ...this.#options.environment, ...environment },
          claims: new Map(config.pvc),
          log,
          signal,
        })
        await this.#use(path, fetched)
        if (isUri(path)) log.info({ uri: fetched.uri, path: fetched.path, cached: fetched.isCached }, 'fetched')
        return { kind: 'local', path: fetched.path }
      } catch (reason) {
        if (signal.aborted) throw InferenceError.from(signal.reason)
        const uri = shownUri(path)
        log.error({ uri, reason: messageOf(reason) }, 'model not fetched')
        return { kind: 'failed', uri, name: nameOf(uri), reason: messageOf(reason) }
      }
    })
  }

  async #use(path: string, fetched: FetchedModel): Promise<void> {
    const [last, before] = this.#used.get(path) ?? []
    if (last?.path === fetched.path) return fetched.release()
    this.#used.set(path, last === undefined ? [fetched] : [fetched, last])
    await before?.release()
  }
}

/** `s3://bucket/iris/model.onnx` → `iris`, `https://host/iris.tgz` → `iris` */
function nameOf(uri: string): string {
  const parts = uri
    .replace(/^[a-z][\w+.-]*:\/\//i, '')
    .split('/')
    .filter((part) => part !== '')
  const isInner = (part: string | undefined): boolean => /^(\d+|model\.\w+|saved_model\.pb)$/.test(part ?? '')
  const part = (isInner(parts.at(-1)) && parts.length > 1 ? parts.at(-2) : parts.at(-1)) ?? 'model'
  const name = part.replace(/\.(tar\.gz|tgz|tar|zip|onnx)$/i, '').replace(/[/\\:]+/g, '-')
  return name === '' ? 'model' : name
}
