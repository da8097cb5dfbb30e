/** What a V1 path asks for, and what TF Serving says of paths and models that are not there. */
import type { FastifyRequest } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { pathOf } from './inference.ts'
import type { Door } from './options.ts'
import { HttpRefusal } from './status.ts'

/** Largest version that TF Serving reads: an int64. */
const maxVersion = 9223372036854775807n

/**
 * The last segment of a path: `{model}:{verb}`, or `{version}:{verb}` or `{label}:{verb}` after the model.
 */
export interface TargetParams {
  readonly target: string
  readonly model?: string
}

/** A model, and its version or label. */
export interface VersionedModel {
  readonly model: string
  readonly target: string
}

export type V1Request = FastifyRequest<{ Params: TargetParams }>

export type V1Verb = 'predict' | 'explain' | 'classify' | 'regress'

/** What a path asks to compute, and of which model. */
export interface CallTarget {
  readonly ref: ModelRef
  readonly verb: V1Verb
}

/** A model must not be read as one of them. */
const verbs: readonly string[] = ['predict', 'explain', 'classify', 'regress'] satisfies readonly V1Verb[]

/** How a path names the version: by its number, by a label, or not at all. */
export type VersionPath = 'versions' | 'labels'

/**
 * What a POST asks for.
 *
 * @throws InferenceError `invalid_argument` in TF Serving's words for a path that asks for nothing, a version that is no
 *   number and a label that no version has
 */
export function callTarget(door: Door, request: V1Request, by: VersionPath): CallTarget {
  const { target, model } = request.params
  const colon = target.lastIndexOf(':')
  const verb = target.slice(colon + 1)
  if (colon < 0 && model === undefined) throw new HttpRefusal(405, 'Method Not Allowed', { allow: 'GET, HEAD' })
  if (colon <= 0 || !isVerb(verb)) throw malformed(request)
  const first = target.slice(0, colon)
  return { ref: model === undefined ? { name: first } : refBy(door, request, by, { model, target: first }), verb }
}

/** The version that a path names. @throws as {@link callTarget} does */
export function refBy(
  { dataPlane }: Door,
  request: FastifyRequest,
  by: VersionPath,
  { model, target }: VersionedModel,
): ModelRef {
  if (by === 'labels') return dataPlane.labelled(model, target)
  return { name: model, version: versionOf(request, target) }
}

/** True for `{model}:{verb}`, which asks for a POST. */
export function isCall(target: string): boolean {
  return target.includes(':') && isVerb(target.slice(target.lastIndexOf(':') + 1))
}

function isVerb(text: string): text is V1Verb {
  return verbs.includes(text)
}

function versionOf(request: FastifyRequest, text: string): string {
  if (!/^\d+$/.test(text)) throw malformed(request)
  const version = BigInt(text)
  if (version > maxVersion) {
    throw new InferenceError('invalid_argument', `Failed to convert version: ${text} to numeric.`)
  }
  return String(version)
}

/** In TF Serving's words. */
export function malformed(request: FastifyRequest): InferenceError {
  return new InferenceError('invalid_argument', `Malformed request: ${request.method} ${pathOf(request.url)}`)
}

/**
 * An unknown model or version as TF Serving tells it to who calls one; everything else as it is. KServe has no versions: a
 * call without one may come from its clients, who read its text behind TF Serving's.
 */
export function inServingWords(reason: unknown, { name, version }: ModelRef): unknown {
  if (!(reason instanceof InferenceError) || reason.code !== 'not_found') return reason
  const text = 'Servable not found for request:'
  if (version !== undefined) return new InferenceError('not_found', `${text} Specific(${name}, ${version})`)
  return new InferenceError('not_found', `${text} Latest(${name}). ${reason.message}`)
}

/** As {@link inServingWords}, but a model that is not named by its version in the words of KServe. */
export function inKserveWords(reason: unknown, ref: ModelRef): unknown {
  return ref.version === undefined ? reason : inServingWords(reason, ref)
}
