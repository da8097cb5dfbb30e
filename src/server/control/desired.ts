/** What a server is asked to serve by manifests, as plain data that several processes can share; changes make a new one. */
import { isDeepStrictEqual } from 'node:util'
import { keyOf, type ObjectKey } from '../../kserve/index.ts'

/** Where the manifest of an object comes from. */
export type ObjectSource =
  | { readonly kind: 'start' }
  | {
      readonly kind: 'text'
      readonly text: string
      /** For messages, and for what is relative to it. */
      readonly file: string
      /** Where the text names none. */
      readonly namespace: string
    }

/** Which revisions of an InferenceService there are. */
export interface RolloutTarget {
  /** Number of the revision that the manifest asks for. */
  readonly latest: number
  /** Of the requests, what the latest revision gets, 0 to 100; all once it is ready where absent. */
  readonly percent?: number
  /** The one that has the rest, or had everything before. */
  readonly previous?: { readonly number: number; readonly source: ObjectSource }
}

export interface DesiredObject extends ObjectKey {
  readonly source: ObjectSource
  readonly generation: number
  /** Grows with every change of the object. */
  readonly resourceVersion: number
  readonly uid: string
  readonly createdMs: number
  /** Of an InferenceService. */
  readonly rollout?: RolloutTarget
}

export interface DesiredState {
  /** One more with each change. */
  readonly version: number
  readonly objects: readonly DesiredObject[]
}

/** An object as its manifest says it, for comparison. */
export interface Content {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: unknown
}

export type Outcome = 'created' | 'configured' | 'unchanged'

/** An object that shall be there. */
export interface Wanted extends ObjectKey {
  readonly source: ObjectSource
  readonly content: Content
  /** What there is, as it counts now. */
  readonly before?: Content
  /** The revision that has the requests that no canary has. */
  readonly rolledOut?: number
  readonly nowMs: number
  readonly uid: string
}

/** @returns the state with the object, and what became of it */
export function withObject(state: DesiredState, wanted: Wanted): { state: DesiredState; outcome: Outcome } {
  const { kind, namespace, name, source, content, before, nowMs, uid } = wanted
  const known = objectOf(state, wanted)
  if (known !== undefined && before !== undefined && isDeepStrictEqual(before, content)) {
    return { state, outcome: 'unchanged' }
  }
  const version = state.version + 1
  const rollout = kind === 'InferenceService' ? rolloutAfter(known, wanted) : undefined
  const object: DesiredObject = {
    kind,
    namespace,
    name,
    source,
    generation: (known?.generation ?? 0) + 1,
    resourceVersion: version,
    uid: known?.uid ?? uid,
    createdMs: known?.createdMs ?? nowMs,
    ...(rollout === undefined ? {} : { rollout }),
  }
  return { state: replaced(state, object), outcome: known === undefined ? 'created' : 'configured' }
}

/** @returns the same state where the object is not there */
export function withoutDesired(state: DesiredState, key: ObjectKey): DesiredState {
  const objects = state.objects.filter((object) => keyOf(object) !== keyOf(key))
  return objects.length === state.objects.length ? state : { version: state.version + 1, objects }
}

/** Gives the latest revision a share of the requests. */
export function withPercent(state: DesiredState, object: DesiredObject, percent: number): DesiredState {
  const { rollout } = object
  if (rollout === undefined || rollout.percent === percent) return state
  const version = state.version + 1
  const { generation } = object
  return replaced(state, {
    ...object,
    generation: generation + 1,
    resourceVersion: version,
    rollout: { ...rollout, percent },
  })
}

export function objectOf(state: DesiredState, key: ObjectKey): DesiredObject | undefined {
  return state.objects.find((object) => keyOf(object) === keyOf(key))
}

/** `iris-predictor-00002`, as Knative counts. */
export function revisionName(service: string, number: number): string {
  return `${service}-predictor-${String(number).padStart(5, '0')}`
}

function replaced(state: DesiredState, object: DesiredObject): DesiredState {
  const others = state.objects.filter((each) => keyOf(each) !== keyOf(object))
  return { version: state.version + 1, objects: [...others, object] }
}

function rolloutAfter(known: DesiredObject | undefined, { content, before, rolledOut }: Wanted): RolloutTarget {
  const percent = percentOf(content)
  const share = percent === undefined ? {} : { percent }
  const target = known?.rollout
  if (known === undefined || target === undefined) return { latest: 1, ...share }
  const { latest, previous } = target
  const kept = previous === undefined ? {} : { previous }
  const isSame = before !== undefined && isDeepStrictEqual(withoutTraffic(before), withoutTraffic(content))
  if (isSame) return { latest, ...share, ...kept }
  const goesOn =
    rolledOut === undefined || rolledOut === latest ? { previous: { number: latest, source: known.source } } : kept
  return { latest: latest + 1, ...share, ...goesOn }
}

/** `spec.predictor.canaryTrafficPercent` */
export function percentOf({ spec }: Pick<Content, 'spec'>): number | undefined {
  const predictor = fieldOf(spec, 'predictor')
  const percent = fieldOf(predictor, 'canaryTrafficPercent')
  return typeof percent === 'number' ? percent : undefined
}

/** The `spec` with another share for the latest revision. */
export function specWithPercent(spec: unknown, percent: number | undefined): unknown {
  const { predictor, ...rest } = fieldsOf(spec)
  const kept = Object.entries(fieldsOf(predictor)).filter(([key]) => key !== 'canaryTrafficPercent')
  return {
    ...rest,
    predictor: { ...Object.fromEntries(kept), ...(percent === undefined ? {} : { canaryTrafficPercent: percent }) },
  }
}

/** What makes a revision: everything but how much of the traffic it gets. */
function withoutTraffic({ spec }: Content): unknown {
  return specWithPercent(spec, undefined)
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  // An object has text keys.
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function fieldOf(value: unknown, key: string): unknown {
  return fieldsOf(value)[key]
}
