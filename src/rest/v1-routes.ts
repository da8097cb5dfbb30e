/** The V1 routes: `:predict`, `:explain`, `:classify`, `:regress`, as requests or as CloudEvents, and states. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { exampleResult } from '../codec/classification.ts'
import { decodeV1Request, encodeV1Response } from '../codec/index.ts'
import { decodeV1Examples, encodeV1Results } from '../codec/v1-examples.ts'
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import type { Signatures } from '../core/named-signature.ts'
import type { Verb } from '../dataplane/dataplane.ts'
import { sendError, sendInference, sendJson } from './answer.ts'
import { answerCloudEvent, isCloudEvent, readCloudEvent } from './cloud-events.ts'
import type { CloudEvent } from './cloud-events.ts'
import { answerByComponent } from './component-routes.ts'
import { answerGraph } from './graph-routes.ts'
import { refuse, refuseWhileDraining } from './inference.ts'
import type { Door } from './options.ts'
import { HttpContext } from './request-context.ts'
import { post, refuseOthers } from './routing.ts'
import { addV1DescriptionRoutes, describeModel, describeVersion } from './v1-describe.ts'
import { callTarget, inKserveWords, inServingWords, refBy } from './v1-target.ts'
import type { CallTarget, TargetParams, V1Request, V1Verb, VersionPath } from './v1-target.ts'

export function addV1Routes(app: FastifyInstance, door: Door): void {
  addV1DescriptionRoutes(app, door)
  addTarget(app, door, '/v1/models/:target', 'versions', (request) =>
    describeModel(door, request, request.params.target),
  )
  addTarget(app, door, '/v1/models/:model/versions/:target', 'versions', (request) => {
    const { model = '', target } = request.params
    return describeVersion(door, refBy(door, request, 'versions', { model, target }))
  })
  // TF Serving does not look at the label of a status request and tells of all versions.
  addTarget(app, door, '/v1/models/:model/labels/:target', 'labels', ({ params: { model = '' } }) =>
    describeVersion(door, { name: model }),
  )
}

/** A path that describes on GET and computes on POST. */
function addTarget(
  app: FastifyInstance,
  door: Door,
  path: string,
  by: VersionPath,
  describe: (request: V1Request) => object,
): void {
  app.get<{ Params: TargetParams }>(path, (request, reply) => {
    sendJson(reply, describe(request))
  })
  post<TargetParams>(app, path, {
    check: (request) => {
      callTarget(door, request, by)
      refuseWhileDraining(door)
    },
    answer: (request, reply) => answer(door, callTarget(door, request, by), request, reply),
    refuse: (request, reply, reason) => {
      let target: CallTarget
      try {
        target = callTarget(door, request, by)
      } catch {
        sendError(door, reply, reason) // the path itself is refused: there is no model whose request could be counted
        return
      }
      refuseCall(door, target, reply, reason)
    },
  })
  refuseOthers(app, path, ['GET', 'HEAD', 'POST'])
}

/** A request that was read, and the body that its answer becomes. */
interface DecodedCall {
  readonly request: InferenceRequest
  readonly encode: (response: InferenceResponse) => Uint8Array
}

async function answer(door: Door, target: CallTarget, request: V1Request, reply: FastifyReply): Promise<void> {
  const context = new HttpContext('v1', request, door.inFlight)
  let event: CloudEvent | undefined
  let call: DecodedCall
  try {
    const waking = door.dataPlane.wake(target.ref)
    if (waking !== undefined) await waking
    const served = door.dataPlane.metadata(target.ref)
    const { components } = door
    if (components?.standIn(target.ref.name, verbOf(target.verb)) !== undefined) {
      await answerByComponent(door, reply, context, { model: target.ref.name, verb: verbOf(target.verb) })
      return
    }
    const body = request.body as Buffer // what the one content type parser makes
    const isGraph = target.verb === 'predict' && door.graphs?.has(target.ref.name) === true
    if (isGraph && !isCloudEvent(request.raw.headers, request.givenContentType)) {
      await answerGraph(door, reply, context, target.ref, body)
      return
    }
    event = readCloudEvent(request.raw.headers, request.givenContentType, body)
    call = decode(event?.data ?? body, target, served)
  } catch (reason) {
    refuseCall(door, target, reply, reason, context)
    return
  }
  try {
    const response = await door.dataPlane[verbOf(target.verb)](call.request, context)
    const body = call.encode(response)
    if (event === undefined) await sendInference(reply, context, body, { given: response.headers })
    else {
      const answered = answerCloudEvent(event, body, target.ref.name, door.cloudEvents)
      await sendInference(reply, context, answered.body, {
        contentType: answered.contentType,
        more: answered.headers,
        given: response.headers,
      })
    }
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}

function decode(body: Uint8Array, { ref, verb }: CallTarget, served: Signatures): DecodedCall {
  if (verb === 'classify' || verb === 'regress') {
    const { rows, ...asked } = decodeV1Examples(body, verb, served)
    return {
      request: { model: ref, ...asked },
      encode: (response) => encodeV1Results(exampleResult(verb, response, rows)),
    }
  }
  const { request, format, isFlat } = decodeV1Request(body, ref, served.inputs, served)
  return { request, encode: (response) => encodeV1Response(response, format, isFlat) }
}

function verbOf(verb: V1Verb): Verb {
  return verb === 'explain' ? 'explain' : 'infer'
}

function refuseCall(
  door: Door,
  { ref, verb }: CallTarget,
  reply: FastifyReply,
  reason: unknown,
  context = new HttpContext('v1', reply.request, door.inFlight),
): void {
  const { headers } = reply.request.raw
  // Only KServe has explainers and takes events; everybody else may be a client of TF Serving.
  const isKserve = verb === 'explain' || isCloudEvent(headers, reply.request.givenContentType)
  const reword = (unknown: unknown): unknown => (isKserve ? inKserveWords : inServingWords)(unknown, ref)
  refuse(door, reply, context, { ref, verb: verbOf(verb), reword }, reason)
}
