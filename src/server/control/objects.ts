/** The manifests behind a desired state: those that the server began with, and those that callers brought. */
import { createHash } from 'node:crypto'
import { InferenceError } from '../../core/errors.ts'
import {
  keyOf,
  mergeManifests,
  noManifests,
  objectsOf,
  readManifestText,
  type Manifest,
  type Manifests,
  type ObjectKey,
} from '../../kserve/index.ts'
import { percentOf, type DesiredState, type ObjectSource } from './desired.ts'

/** Texts whose manifests are kept: more than any set of services on one machine has. */
const mostKept = 1000

export type TextSource = Omit<Extract<ObjectSource, { kind: 'text' }>, 'kind'>

export class ObjectSources {
  readonly #start: Manifests
  readonly #startByKey: ReadonlyMap<string, Manifest<unknown>>
  readonly #read = new Map<string, Manifests>()

  constructor(start: Manifests) {
    this.#start = start
    this.#startByKey = new Map(objectsOf(start).map((manifest) => [keyOf(manifest), manifest]))
  }

  /** What the server began with, the same in every process of it. */
  startState(nowMs: number): DesiredState {
    const objects = objectsOf(this.#start).map((manifest) => {
      const { kind, namespace, name } = manifest
      const percent = percentOf(manifest)
      return {
        kind,
        namespace,
        name,
        source: { kind: 'start' as const },
        generation: 1,
        resourceVersion: 1,
        uid: uidOf(keyOf(manifest)),
        createdMs: nowMs,
        ...(kind === 'InferenceService'
          ? { rollout: { latest: 1, ...(percent === undefined ? {} : { percent }) } }
          : {}),
      }
    })
    return { version: 1, objects }
  }

  /** The manifests of one object alone. @throws InferenceError `invalid_argument` */
  manifestsOf(key: ObjectKey, source: ObjectSource): Manifests {
    if (source.kind === 'start') return only(this.#start, key)
    return this.read(source)
  }

  /** @throws InferenceError `not_found` where the source does not have it */
  manifestOf(key: ObjectKey, source: ObjectSource): Manifest<unknown> {
    const found =
      source.kind === 'start'
        ? this.#startByKey.get(keyOf(key))
        : objectsOf(this.manifestsOf(key, source)).find((manifest) => keyOf(manifest) === keyOf(key))
    if (found !== undefined) return found
    throw new InferenceError('not_found', `${key.kind} '${key.name}' is not in its manifest`)
  }

  /** All of a state. */
  all({ objects }: DesiredState): Manifests {
    return mergeManifests(noManifests, ...objects.map((object) => this.manifestsOf(object, object.source)))
  }

  /** @throws InferenceError `invalid_argument` with file, line and field */
  read({ text, file, namespace }: TextSource): Manifests {
    const key = `${file}\0${namespace}\0${text}`
    const known = this.#read.get(key)
    if (known !== undefined) return known
    const manifests = readManifestText(text, file, namespace)
    const [oldest] = this.#read.keys()
    if (this.#read.size >= mostKept && oldest !== undefined) this.#read.delete(oldest)
    this.#read.set(key, manifests)
    return manifests
  }
}

function only(manifests: Manifests, key: ObjectKey): Manifests {
  const of = <T>(list: readonly Manifest<T>[]): readonly Manifest<T>[] =>
    list.filter((manifest) => keyOf(manifest) === keyOf(key))
  return {
    inferenceServices: of(manifests.inferenceServices),
    servingRuntimes: of(manifests.servingRuntimes),
    inferenceGraphs: of(manifests.inferenceGraphs),
    secrets: of(manifests.secrets),
    serviceAccounts: of(manifests.serviceAccounts),
    warnings: [],
  }
}

/** In the form of a UUID; the same for the same object. */
function uidOf(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  )
}
