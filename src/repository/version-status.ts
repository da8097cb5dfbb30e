/** The states of a model's versions in TF Serving's words. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { ModelState, ModelStatus } from './status.ts'
import { compareVersions } from './version.ts'

/** `ModelVersionStatus` of get_model_status.proto. */
export interface VersionStatus {
  readonly version: string
  readonly state: 'LOADING' | 'AVAILABLE' | 'UNLOADING' | 'END'
  readonly errorCode: 'OK' | 'INTERNAL'
  /** '' where nothing is wrong. */
  readonly errorMessage: string
}

const states: Readonly<Record<ModelState, VersionStatus['state']>> = {
  unloaded: 'END',
  loading: 'LOADING',
  ready: 'AVAILABLE',
  unloading: 'UNLOADING',
  failed: 'END',
}

/**
 * The versions of one model, newest first; the one that is named where one is.
 *
 * @throws InferenceError `not_found` in TF Serving's words
 */
export function versionStatuses(all: readonly ModelStatus[], { name, version }: ModelRef): readonly VersionStatus[] {
  const own = all.filter(({ ref }) => ref.name === name)
  if (own.length === 0) throw notFound(`Could not find any versions of model ${name}`)
  const asked = version === undefined ? own : own.filter(({ ref }) => ref.version === version)
  if (asked.length === 0) throw notFound(`Could not find version ${version ?? ''} of model ${name}`)
  return asked
    .toSorted((left, right) => compareVersions(right.ref.version, left.ref.version))
    .map(({ ref, state, reason = '' }) => ({
      version: ref.version,
      state: states[state],
      errorCode: state === 'failed' ? 'INTERNAL' : 'OK',
      errorMessage: state === 'failed' ? reason : '',
    }))
}

function notFound(message: string): InferenceError {
  return new InferenceError('not_found', message)
}
