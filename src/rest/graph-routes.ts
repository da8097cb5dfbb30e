/** Inference graphs over REST: on hosts and paths of their own, and under the paths of models. Bodies go as they are. */
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { Payload } from '../graph/index.ts'
import type { ExplainedReply, GraphReply } from '../graph/index.ts'
import { sendError } from './answer.ts'
import { headerLengthOf } from './body.ts'
import { refuse, refuseWhileDraining } from './inference.ts'
import type { Door, RestGraphs } from './options.ts'
import { givenIdOf, HttpContext } from './request-context.ts'
import { methods, takeAnyContentType } from './routing.ts'
import { HttpRefusal } from './status.ts'

type GraphRequest = FastifyRequest<{ Params: { readonly graph: string } }>

const pathOfOne = '/graphs/'
/** KServe's path for services on a host that is not theirs. */
const servingPath = /^\/serving\/([^/?]+)\/([^/?]+)(\/[^?]*)?/
const empty = Buffer.alloc(0)

/**
 * Gives a request to the host of a graph, or to its path below `/serving/`, the path of that graph: KServe's router looks at
 * neither path nor method, and is asked at `/readyz` whether it takes requests.
 */
export function graphUrl(graphs: RestGraphs): (request: IncomingMessage) => string {
  return ({ url = '/', headers }) => {
    const atHost = headers.host === undefined ? undefined : graphs.atHost(headers.host)
    if (atHost !== undefined) return rewritten(atHost, url, url)
    const match = servingPath.exec(url)
    const [, namespace = '', name = '', rest = '/'] = match ?? []
    const atPath = match === null ? undefined : graphs.at(decoded(namespace), decoded(name))
    return atPath === undefined ? url : rewritten(atPath, rest, url)
  }
}

function rewritten(graph: string, path: string, url: string): string {
  if (path.split('?', 1)[0] === '/readyz') return `/v2/models/${encodeURIComponent(graph)}/ready`
  const query = url.indexOf('?')
  return `${pathOfOne}${encodeURIComponent(graph)}${query === -1 ? '' : url.slice(query)}`
}

/** A segment of a path; empty where it is malformed. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}

/** `POST /graphs/{name}`; any method where the request came to the graph's own host. */
export function addGraphRoutes(app: FastifyInstance, door: Door, graphs: RestGraphs): void {
  const refOf = ({ params }: GraphRequest): ModelRef => ({ name: params.graph })
  const refuseGraph = (request: GraphRequest, reply: FastifyReply, reason: unknown): void => {
    refuse(door, reply, contextOf(door, request), { ref: refOf(request), verb: 'infer' }, reason)
  }
  app.route<{ Params: { readonly graph: string } }>({
    method: [...methods],
    url: `${pathOfOne}:graph`,
    exposeHeadRoute: false,
    onRequest: (request, _reply, done) => {
      if (request.method !== 'POST' && request.originalUrl === request.url) {
        throw new HttpRefusal(405, 'Method Not Allowed', { allow: 'POST' })
      }
      takeAnyContentType(request)
      if (!graphs.has(request.params.graph)) {
        throw new InferenceError('not_found', `InferenceGraph with name ${request.params.graph} does not exist.`)
      }
      refuseWhileDraining(door)
      done()
    },
    handler: async (request, reply) => {
      let headerLength: number | undefined
      const body = Buffer.isBuffer(request.body) ? request.body : empty
      try {
        headerLength = headerLengthOf(request.raw.headers, body.length)
      } catch (reason) {
        refuseGraph(request, reply, reason)
        return
      }
      await answerGraph(door, reply, contextOf(door, request), refOf(request), body, headerLength)
    },
    errorHandler: (reason, request, reply) => {
      if (graphs.has(request.params.graph)) refuseGraph(request, reply, reason)
      else sendError(door, reply, reason)
    },
  })
}

/** Metrics know protocols, and the parts of a body are V2's. */
function contextOf(door: Door, request: GraphRequest): HttpContext {
  const isV2 = request.raw.headers['inference-header-content-length'] !== undefined
  return new HttpContext(isV2 ? 'v2' : 'v1', request, door.inFlight)
}

/**
 * Has a graph answer, `?explain=true` with what every step did.
 *
 * @param headerLength of the JSON part, where tensors stand behind it
 */
export async function answerGraph(
  door: Door,
  reply: FastifyReply,
  context: HttpContext,
  model: ModelRef,
  body: Buffer,
  headerLength?: number,
): Promise<void> {
  try {
    if (door.graphs === undefined) throw new InferenceError('not_found', 'this server has no graphs')
    const payload = Payload.ofBytes(body, headerLength)
    const isExplained = isExplainedBy(reply.request.url)
    const answer = await door.graphs.answer({ model, payload, context, isExplained })
    if ('steps' in answer) sendExplained(reply, context, answer)
    else {
      const { status, contentType, payload: given } = answer
      send(reply, context, { status, contentType, headerLength: given.headerLength }, given.asBytes())
    }
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}

function isExplainedBy(url: string): boolean {
  const query = url.indexOf('?')
  return query !== -1 && new URLSearchParams(url.slice(query)).get('explain') === 'true'
}

interface AnswerHead extends Pick<GraphReply, 'status' | 'contentType'> {
  /** Of the JSON part, where tensors stand behind it. */
  readonly headerLength?: number | undefined
}

/** The headers of a step's answer are not passed on, as by KServe's router. */
function send(reply: FastifyReply, context: HttpContext, head: AnswerHead, body: Uint8Array): void {
  context.release()
  const { status, contentType, headerLength } = head
  if (status === 200) context.answered(body)
  const headers: string[] = contentType === undefined ? [] : ['Content-Type', contentType]
  if (headerLength !== undefined) headers.push('Inference-Header-Content-Length', String(headerLength))
  const givenId = givenIdOf(reply.request.raw.headers)
  if (givenId !== undefined) headers.push('x-request-id', givenId)
  if (status !== 204 && status !== 304) headers.push('Content-Length', String(body.byteLength))
  reply.hijack()
  if (reply.raw.destroyed) return
  reply.raw.writeHead(status, headers)
  reply.raw.end(body)
}

/** The status of the answer, and the answer as JSON: as it is where it is JSON, as text or base64 where it is not. */
function sendExplained(reply: FastifyReply, context: HttpContext, { status, payload, steps }: ExplainedReply): void {
  const body =
    payload.headerLength !== undefined
      ? JSON.stringify({ b64: Buffer.from(payload.asBytes()).toString('base64') })
      : payload.isJson
        ? payload.asText()
        : JSON.stringify(payload.asText())
  const text = `{"status":${status},"body":${body},"steps":${JSON.stringify(steps.map(withoutPassword))}}`
  send(reply, context, { status, contentType: 'application/json' }, Buffer.from(text))
}

function withoutPassword(step: ExplainedReply['steps'][number]): ExplainedReply['steps'][number] {
  if (!step.target.includes('@') || !URL.canParse(step.target)) return step
  const target = new URL(step.target)
  if (target.password === '') return step
  target.password = '***'
  return { ...step, target: target.href }
}
