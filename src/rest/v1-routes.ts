/** The V1 routes: the list and states of models, `:predict`, `:explain`. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { decodeV1Request, encodeV1Response } from '../codec/index.ts'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Verb } from '../dataplane/dataplane.ts'
import type { ModelState, ModelStatus } from '../repository/status.ts'
import { sendError, sendInference, sendJson } from './answer.ts'
import { inServingWords, pathOf, refuse, refuseWhileDraining } from './inference.ts'
import type { Door } from './options.ts'
import { HttpContext } from './request-context.ts'
import { get, post, refuseOthers } from './routing.ts'
import { HttpRefusal } from './status.ts'
import { modelNames } from './v2-routes.ts'

/** Largest version that TF Serving reads: an int64. */
const maxVersion = 9223372036854775807n

/** The last segment of a path: `{model}:{verb}`, or `{version}:{verb}` after the model. */
interface TargetParams {
  readonly target: string
  readonly model?: string
}

type AnyRequest = FastifyRequest<{ Params: TargetParams }>

/** TF Serving's; a model must not be read as one of them. */
const verbs: readonly string[] = ['predict', 'explain', 'classify', 'regress']

const stateNames: Readonly<Record<ModelState, string>> = {
  unloaded: 'END',
  loading: 'LOADING',
  ready: 'AVAILABLE',
  unloading: 'UNLOADING',
  failed: 'END',
}

export function addV1Routes(app: FastifyInstance, door: Door): void {
  get(app, '/v1/models', (_request, reply) => sendJson(reply, { models: modelNames(door) }))
  for (const path of ['/v1/models/:target', '/v1/models/:model/versions/:target']) {
    app.get<{ Params: TargetParams }>(path, (request, reply) => {
      sendJson(reply, describe(door, statusTarget(door, request)))
    })
    post<TargetParams>(app, path, {
      check: (request) => {
        callTarget(request)
        refuseWhileDraining(door)
      },
      answer: (request, reply) => answer(door, request, reply),
      refuse: (request, reply, reason) => refuseCall(door, request, reply, reason),
    })
    refuseOthers(app, path, ['GET', 'HEAD', 'POST'])
  }
}

async function answer(door: Door, request: AnyRequest, reply: FastifyReply): Promise<void> {
  const context = new HttpContext('v1', request, door.inFlight)
  const { ref, verb } = callTarget(request)
  let decoded: ReturnType<typeof decodeV1Request>
  try {
    const { inputs } = door.dataPlane.metadata(ref)
    const body = request.body as Buffer // what the one content type parser makes
    decoded = decodeV1Request(body, ref, inputs)
  } catch (reason) {
    refuse(door, reply, context, { ref, verb }, reason)
    return
  }
  try {
    const response = await door.dataPlane[verb](decoded.request, context)
    await sendInference(reply, context, encodeV1Response(response, decoded.format), undefined)
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}

/** Where the path itself is refused there is no model whose request could be counted. */
function refuseCall(door: Door, request: AnyRequest, reply: FastifyReply, reason: unknown): void {
  const context = new HttpContext('v1', request, door.inFlight)
  try {
    refuse(door, reply, context, callTarget(request), reason)
  } catch {
    sendError(door, reply, reason, context)
  }
}

/** What a POST asks for; thrown is what TF Serving says of anything else. */
function callTarget(request: AnyRequest): { readonly ref: ModelRef; readonly verb: Verb } {
  const { target, model } = request.params
  const colon = target.lastIndexOf(':')
  const verb = target.slice(colon + 1)
  if (colon < 0 && model === undefined) throw new HttpRefusal(405, 'Method Not Allowed', { allow: 'GET, HEAD' })
  if (colon <= 0 || !verbs.includes(verb)) throw malformed(request)
  const first = target.slice(0, colon)
  const ref = model === undefined ? { name: first } : { name: model, version: versionOf(request, first) }
  if (verb === 'predict') return { ref, verb: 'infer' }
  if (verb === 'explain') return { ref, verb }
  throw new InferenceError('unimplemented', `Method '${verb}' is not supported; use ':predict'.`)
}

/** What a GET asks for. */
function statusTarget(door: Door, request: AnyRequest): ModelRef {
  const { target, model } = request.params
  if (model !== undefined) return { name: model, version: versionOf(request, target) }
  const isCall = verbs.includes(target.slice(target.lastIndexOf(':') + 1)) && target.includes(':')
  if (isCall && !modelNames(door).includes(target)) throw malformed(request)
  return { name: target }
}

function versionOf(request: AnyRequest, text: string): string {
  if (!/^\d+$/.test(text)) throw malformed(request)
  if (BigInt(text) > maxVersion) {
    throw new InferenceError('invalid_argument', `Failed to convert version: ${text} to numeric.`)
  }
  return text
}

function malformed(request: AnyRequest): InferenceError {
  return new InferenceError('invalid_argument', `Malformed request: ${request.method} ${pathOf(request.url)}`)
}

/** KServe's answer and TF Serving's in one: the clients of each read their own keys. */
function describe(door: Door, ref: ModelRef) {
  try {
    door.dataPlane.metadata(ref)
  } catch (reason) {
    throw inServingWords(reason, ref)
  }
  const versions = door.dataPlane.models().filter((status) => isWanted(status, ref))
  return {
    name: ref.name,
    ready: true,
    model_version_status: versions.toSorted(newestFirst).map(describeVersion),
  }
}

function isWanted({ ref }: ModelStatus, wanted: ModelRef): boolean {
  return ref.name === wanted.name && (wanted.version === undefined || ref.version === wanted.version)
}

function newestFirst(left: ModelStatus, right: ModelStatus): number {
  return right.ref.version.localeCompare(left.ref.version, 'en', { numeric: true })
}

function describeVersion({ ref, state, reason = '' }: ModelStatus) {
  const status =
    state === 'failed' ? { error_code: 'INTERNAL', error_message: reason } : { error_code: 'OK', error_message: '' }
  return { version: ref.version, state: stateNames[state], status }
}
