/** What operators read of loads: in the log, and as the reason of a failure. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { LoadedModel, ModelEntry } from './entry.ts'

/** One load of a version. */
export interface LoadRecord {
  readonly ref: Required<ModelRef>
  readonly revision: string | undefined
  readonly entry: ModelEntry
  /** Milliseconds that it took. */
  readonly loadMs: number | undefined
  /** Another instance of the version serves. */
  readonly isServing: boolean
}

export function logLoaded(log: Log, { model }: LoadedModel, record: LoadRecord): void {
  const { ref, revision, entry, loadMs, isServing } = record
  const { memoryBytes, metadata } = model
  log.info(
    {
      model: ref.name,
      version: ref.version,
      ...(revision === undefined ? {} : { revision }),
      runtime: entry.runtime,
      device: metadata.parameters?.['device'],
      placement: metadata.parameters?.['placement'],
      memoryBytes,
      loadMs: round(loadMs),
    },
    isServing ? 'model reloaded' : 'model loaded',
  )
}

/** @returns the reason as operators read it */
export function logFailed(log: Log, reason: unknown, { ref, entry, loadMs, isServing }: LoadRecord): string {
  const text = reasonOf(reason)
  const { name, version } = ref
  log.error(
    { model: name, version, source: entry.source, reason: text, loadMs: round(loadMs), ...causeOf(reason) },
    isServing ? 'model failed to reload, the loaded one goes on' : 'model failed to load',
  )
  return text
}

/** The bare text of an unknown error is for the callers of a model, not for who loads one. */
export function reasonOf(reason: unknown): string {
  const isBare = reason instanceof InferenceError && reason.code === 'internal' && reason.cause !== undefined
  return isBare ? `${reason.message}: ${messageOf(reason.cause)}` : messageOf(reason)
}

function round(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 10) / 10
}

function causeOf(reason: unknown): { readonly cause?: string } {
  return reason instanceof Error && reason.cause !== undefined ? { cause: messageOf(reason.cause) } : {}
}
