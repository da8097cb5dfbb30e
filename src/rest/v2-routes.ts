/** The V2 (Open Inference) routes: health, metadata, infer. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { decodeRawRequest, decodeV2Request, encodeV2Response, type V2Call } from '../codec/index.ts'
import { hasBatchDimension } from '../core/batch-dimension.ts'
import type { ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { Parameters } from '../core/tensor.ts'
import type { ModelStatus, ServedMetadata } from '../repository/status.ts'
import { sendError, sendInference, sendJson } from './answer.ts'
import { headerLengthOf } from './body.ts'
import { answerByComponent } from './component-routes.ts'
import { answerGraph } from './graph-routes.ts'
import { refuse, refuseWhileDraining } from './inference.ts'
import type { Door } from './options.ts'
import { HttpContext } from './request-context.ts'
import { get, post, refuseOthers } from './routing.ts'

export interface ModelParams {
  readonly model: string
  readonly version?: string
}

/** The model that a path names. */
export function refOf({ model, version }: ModelParams): ModelRef {
  return version === undefined ? { name: model } : { name: model, version }
}

export function addV2Routes(app: FastifyInstance, door: Door): void {
  get(app, '/v2/health/live', (_request, reply) => {
    const live = door.isLive()
    sendJson(reply, { live }, live ? 200 : 503)
  })
  get(app, '/v2/health/ready', (_request, reply) => {
    const ready = door.dataPlane.isReady && !door.isDraining()
    sendJson(reply, { ready }, ready ? 200 : 503)
  })
  get(app, '/v2', (_request, reply) => {
    sendJson(reply, { name: door.serverName, version: door.version, extensions: door.dataPlane.extensions })
  })
  get(app, '/v2/models', (_request, reply) => sendJson(reply, { models: modelNames(door) }))
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) addModelRoutes(app, door, path)
}

/** Every model's name once, in the order of the repository. */
export function modelNames(door: Door): readonly string[] {
  return [...new Set(door.dataPlane.models().map((status) => status.ref.name))]
}

function addModelRoutes(app: FastifyInstance, door: Door, path: string): void {
  get<ModelParams>(app, path, async ({ params }, reply) => {
    await door.dataPlane.wake(refOf(params))
    sendJson(reply, describeModel(door.dataPlane.metadata(refOf(params)), params.version))
  })
  get<ModelParams>(app, `${path}/ready`, ({ params }, reply) => {
    const status = door.dataPlane.status(refOf(params))
    sendJson(reply, describeReadiness(status), status.state === 'ready' ? 200 : 503)
  })
  post<ModelParams>(app, `${path}/infer`, {
    check: () => refuseWhileDraining(door),
    answer: (request, reply) => infer(door, request, reply),
    refuse: (request, reply, reason) => {
      const call = { ref: refOf(request.params), verb: 'infer' } as const
      refuse(door, reply, new HttpContext('v2', request, door.inFlight), call, reason)
    },
  })
  refuseOthers(app, `${path}/infer`, ['POST'])
}

async function infer(door: Door, request: FastifyRequest<{ Params: ModelParams }>, reply: FastifyReply): Promise<void> {
  const context = new HttpContext('v2', request, door.inFlight)
  const ref = refOf(request.params)
  if (door.components?.standIn(ref.name, 'infer') !== undefined) {
    await answerByComponent(door, reply, context, { model: ref.name, verb: 'infer' })
    return
  }
  let decoded: V2Call
  try {
    const body = request.body as Buffer // what the one content type parser makes
    const headerLength = headerLengthOf(request.raw.headers, body.length)
    if (headerLength !== 0 && door.graphs?.has(ref.name) === true) {
      await answerGraph(door, reply, context, ref, body, headerLength)
      return
    }
    if (headerLength === 0) await door.dataPlane.wake(ref)
    decoded = headerLength === 0 ? decodeRaw(door, body, ref) : decodeV2Request(body, headerLength, ref)
  } catch (reason) {
    refuse(door, reply, context, { ref, verb: 'infer' }, reason)
    return
  }
  try {
    const response = await door.dataPlane.infer(decoded.request, context)
    const { body, headerLength } = encodeV2Response(response, decoded.outputs)
    const sending = sendInference(reply, context, body, { headerLength, given: response.headers })
    if (sending !== undefined) await sending
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}

/** The whole body is the input, and the outputs come back binary. */
function decodeRaw({ dataPlane }: Door, body: Buffer, ref: ModelRef): V2Call {
  const metadata = dataPlane.metadata(ref)
  const hasBatch = metadata.maxBatchSize > 0 || hasBatchDimension(metadata)
  const request = decodeRawRequest(body, ref, { inputs: metadata.inputs, hasBatch })
  return { request, outputs: { isBinary: true } }
}

function describeReadiness(status: ModelStatus) {
  const { name } = status.ref
  if (status.state === 'ready') return { name, ready: true }
  const reason = status.reason === undefined ? '' : ` ${status.reason}`
  return { name, ready: false, error: `Model with name ${name} is not ready.${reason}` }
}

/** @param version asked for by the path: only it is then listed */
function describeModel(metadata: ServedMetadata, version: string | undefined) {
  const { ref, versions, platform, inputs, outputs } = metadata
  const parameters = { ...metadata.parameters, ...dimensionNames([...inputs, ...outputs]) }
  return {
    name: ref.name,
    versions: version === undefined ? versions : [version],
    platform,
    inputs: inputs.map(describeTensor),
    outputs: outputs.map(describeTensor),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  }
}

function describeTensor({ name, datatype, shape }: TensorMetadata) {
  return { name, datatype, shape }
}

/** Symbolic names of free dimensions, which the shape itself cannot tell: `dimensions.<tensor>` is `N,4`. */
function dimensionNames(tensors: readonly TensorMetadata[]): Parameters {
  const names: Record<string, string> = {}
  for (const { name, shape, dimensionNames: given = [] } of tensors) {
    if (given.every((dimension) => dimension === '')) continue
    names[`dimensions.${name}`] = shape.map((size, axis) => given[axis] || size).join(',')
  }
  return names
}
