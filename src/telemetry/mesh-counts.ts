/** What a mesh wants to know of requests, loads and unloads; its metrics are made of it. */
import type { InferenceError } from '../core/errors.ts'
import type { Call, InferenceObserver } from '../dataplane/dataplane.ts'
import type { ModelStatus } from '../repository/status.ts'
import { ensure, Observations } from './observations.ts'
import { durationBounds } from './request-counts.ts'

/** Milliseconds. */
export const meshTimeBounds: readonly number[] = durationBounds.map((seconds) => seconds * 1000)
/** Milliseconds, from a second to a week. */
export const meshAgeBounds: readonly number[] = [1, 10, 60, 600, 3600, 21_600, 86_400, 604_800].map((s) => s * 1000)
/** Bytes, from 64 KiB to 16 GiB. */
export const meshSizeBounds: readonly number[] = Array.from({ length: 10 }, (_, index) => 4 ** index * 65_536)

/** One method, one code. */
export interface MeshRequests {
  readonly method: string
  readonly code: string
  readonly totalMs: Observations
  /** Of those that a model answered. */
  readonly invokeMs: Observations
}

/** A version as it was told last. */
interface Seen {
  loadMs: number | undefined
  isLoaded: boolean
  /** Milliseconds since 1970. */
  lastUse: number
  unloadingSince: number | undefined
}

export class MeshCounts implements InferenceObserver {
  readonly requests = new Map<string, MeshRequests>()
  readonly queueMs = new Observations(meshTimeBounds)
  readonly loadMs = new Observations(meshTimeBounds)
  readonly unloadMs = new Observations(meshTimeBounds)
  readonly ageMs = new Observations(meshAgeBounds)
  readonly sizes = new Observations(meshSizeBounds)
  loadFailures = 0
  evictions = 0
  readonly #seen = new Map<string, Seen>()
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  onResponse(call: Call): void {
    this.queueMs.observe(call.timings.queueMs)
    this.#count(call, 'OK')
  }

  onError(call: Call, { code }: InferenceError): void {
    this.#count(call, code.toUpperCase())
  }

  /** Told of every change of state of a version. */
  changed(status: ModelStatus): void {
    const key = keyOf(status.ref)
    const seen = ensure(this.#seen, key, () => ({
      loadMs: undefined,
      isLoaded: false,
      lastUse: this.#now(),
      unloadingSince: undefined,
    }))
    const isLoaded = status.state === 'ready' && status.scheduling !== undefined
    if (status.loadMs !== undefined && status.loadMs !== seen.loadMs) this.#addLoad(seen, status, isLoaded)
    seen.loadMs = status.loadMs
    if (seen.isLoaded && status.standby === 'memory') {
      this.evictions += 1
      this.ageMs.observe(this.#now() - seen.lastUse)
    }
    if (status.state === 'unloading' && seen.isLoaded) seen.unloadingSince = this.#now()
    seen.isLoaded = isLoaded
    if (status.state !== 'unloaded') return
    if (seen.unloadingSince !== undefined) this.unloadMs.observe(this.#now() - seen.unloadingSince)
    this.#seen.delete(key)
  }

  /** Milliseconds since 1970 at which the loaded model that was not used for longest was used; undefined where none is loaded. */
  get leastRecentUse(): number | undefined {
    let least: number | undefined
    for (const { isLoaded, lastUse } of this.#seen.values()) {
      if (isLoaded) least = Math.min(least ?? lastUse, lastUse)
    }
    return least
  }

  #addLoad(seen: Seen, { loadMs = 0, reason, memoryBytes }: ModelStatus, isLoaded: boolean): void {
    // A reload that failed leaves the loaded one, with the reason.
    if (!isLoaded || reason !== undefined) {
      this.loadFailures += 1
      return
    }
    seen.lastUse = this.#now()
    this.loadMs.observe(loadMs)
    this.sizes.observe(memoryBytes)
  }

  #count({ verb, context, timings, ref }: Call, code: string): void {
    const method = methodOf(verb, context.protocol)
    const counts = ensure(this.requests, `${method} ${code}`, () => ({
      method,
      code,
      totalMs: new Observations(meshTimeBounds),
      invokeMs: new Observations(meshTimeBounds),
    }))
    counts.totalMs.observe(timings.totalMs)
    if (ref === undefined) return
    counts.invokeMs.observe(verb === 'infer' ? timings.predictMs : timings.explainMs)
    const seen = this.#seen.get(keyOf(ref))
    if (seen !== undefined) seen.lastUse = this.#now()
  }
}

function keyOf({ name, version }: Required<Pick<ModelStatus['ref'], 'name' | 'version'>>): string {
  return `${name}\0${version}`
}

/** As the method is called over gRPC. */
function methodOf(verb: Call['verb'], protocol: Call['context']['protocol']): string {
  if (verb === 'explain') return 'ModelExplain'
  return protocol === 'v1' || protocol === 'grpc-v1' ? 'Predict' : 'ModelInfer'
}
