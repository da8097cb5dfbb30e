/** The versions that answer under one name: which of them does, and why one does not. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Leasable } from './leased-model.ts'
import type { ModelSlot } from './model-slot.ts'
import type { TrafficSplit } from './traffic-split.ts'

/** All versions of one revision of a model; of the model where it has no revisions. */
export interface Family {
  readonly name: string
  readonly revision: string | undefined
  requests: number
  /** Present where others take some of the requests for its name. */
  split: TrafficSplit<Family> | undefined
  /** Oldest first. */
  readonly slots: ModelSlot[]
  readonly byVersion: Map<string, ModelSlot>
  /** The highest ready version. */
  current: Leasable | undefined
}

/** What takes the calls of a version, or of the one that answers; undefined where none does. */
export function instanceOf(family: Family | undefined, { version }: ModelRef): Leasable | undefined {
  return version === undefined ? family?.current : family?.byVersion.get(version)?.instance
}

/** Chooses the version that answers where none is named, and tells each ready one of the others. */
export function settle(family: Family): void {
  const ready = family.slots.filter((slot) => slot.instance !== undefined)
  const versions = ready.map((slot) => slot.ref.version)
  for (const { instance } of ready) instance?.announce(versions)
  family.current = ready.at(-1)?.instance
}

/** The version named, else the one that answers, else the newest. */
export function slotOf(family: Family, { name, version }: ModelRef): ModelSlot {
  const slot =
    version === undefined
      ? (family.slots.findLast((candidate) => candidate.instance !== undefined) ?? family.slots.at(-1))
      : family.byVersion.get(version)
  if (slot === undefined) throw unknownVersion(name, version ?? '')
  return slot
}

/** In KServe's words. */
export function unknownModel({ name }: ModelRef): InferenceError {
  return new InferenceError('not_found', `Model with name ${name} does not exist.`)
}

/** In Triton's words. */
export function unknownVersion(name: string, version: string): InferenceError {
  return new InferenceError('not_found', `Request for unknown model: '${name}' version ${version} is not found`)
}

/** Why a version that exists takes no calls. */
export function notReady({ ref, state, reason, hasBroken }: ModelSlot): InferenceError {
  if (state === 'unloaded') {
    return new InferenceError(
      'unavailable',
      `Request for unknown model: '${ref.name}' version ${ref.version} is not at ready state`,
    )
  }
  const detail =
    state === 'failed'
      ? `Version ${ref.version} ${hasBroken ? 'failed' : 'failed to load'}: ${reason}`
      : `Version ${ref.version} is ${state}.`
  return new InferenceError('unavailable', `Model with name ${ref.name} is not ready. ${detail}`)
}
