/** Triton's extensions about the server: repository, configuration, statistics, logging, trace, shared memory. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { LogControl } from '../dataplane/peers.ts'
import { sendError, sendJson } from './answer.ts'
import { readJsonObject, readParameters, type JsonObject } from './json-body.ts'
import type { Door } from './options.ts'
import { get, post, refuseOthers } from './routing.ts'
import { refOf, type ModelParams } from './v2-routes.ts'

export function addManagementRoutes(app: FastifyInstance, door: Door): void {
  addRepositoryRoutes(app, door)
  addSettingRoutes(app, door)
  addSharedMemoryRoutes(app, door)
  get(app, '/v2/models/stats', async (_request, reply) => {
    sendJson(reply, { model_stats: await door.dataPlane.statistics() })
    return reply
  })
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    get<ModelParams>(app, `${path}/config`, async ({ params }, reply) => {
      await door.dataPlane.wake(refOf(params))
      sendJson(reply, door.dataPlane.modelConfig(refOf(params)))
    })
    get<ModelParams>(app, `${path}/stats`, async ({ params }, reply) => {
      sendJson(reply, { model_stats: await door.dataPlane.statistics(refOf(params)) })
      return reply
    })
  }
}

type Params = Partial<ModelParams>
type Answer = (body: JsonObject, params: Params, reply: FastifyReply) => void | Promise<void>

/** `POST` with a small JSON body, or none. */
function postJson(app: FastifyInstance, door: Door, path: string, answer: Answer): void {
  post<Params>(app, path, {
    check: () => undefined,
    answer: ({ body, params }, reply) => answer(readJsonObject(body), params, reply),
    refuse: (_request, reply, reason) => sendError(door, reply, reason),
  })
}

function addRepositoryRoutes(app: FastifyInstance, door: Door): void {
  const { modelControl } = door.dataPlane
  const index = '/v2/repository/index'
  postJson(app, door, index, ({ ready }, _params, reply) => {
    if (ready !== undefined && typeof ready !== 'boolean') {
      throw new InferenceError('invalid_argument', `Invalid value for 'ready': expected a boolean`)
    }
    sendJson(reply, modelControl.index(ready))
  })
  refuseOthers(app, index, ['POST'])
  for (const verb of ['load', 'unload'] as const) {
    const path = `/v2/repository/models/:model/${verb}`
    postJson(app, door, path, async (body, { model = '' }, reply) => {
      await modelControl[verb](model, readParameters(body))
      sendJson(reply, { name: model, [verb]: true })
    })
    refuseOthers(app, path, ['POST'])
    addNamedRepository(app, door, `/v2/repository/:repository/models/:model/${verb}`)
  }
  addNamedRepository(app, door, '/v2/repository/:repository/index')
}

/** Triton has repositories by name; this server has one without. */
function addNamedRepository(app: FastifyInstance, door: Door, path: string): void {
  postJson(app, door, path, () => {
    throw new InferenceError('unimplemented', `'repository_name' specification is not supported`)
  })
  refuseOthers(app, path, ['POST'])
}

function addSettingRoutes(app: FastifyInstance, door: Door): void {
  const logging = '/v2/logging'
  app.get(logging, (_request, reply) => sendJson(reply, logSettingsOf(door).values))
  postJson(app, door, logging, async (body, _params, reply) => {
    sendJson(reply, await logSettingsOf(door).update(body))
  })
  refuseOthers(app, logging, ['GET', 'HEAD', 'POST'])
  for (const path of ['/v2/trace/setting', '/v2/models/:model/trace/setting']) {
    app.get<{ Params: Params }>(path, ({ params }, reply) => {
      checkModel(door, params)
      sendJson(reply, door.dataPlane.traceSettings.values(params.model))
    })
    postJson(app, door, path, async (body, params, reply) => {
      checkModel(door, params)
      sendJson(reply, await door.dataPlane.updateTrace(body, params.model))
    })
    refuseOthers(app, path, ['GET', 'HEAD', 'POST'])
  }
}

/** @throws InferenceError `not_found` where a path names a model that does not exist */
function checkModel(door: Door, { model }: Params): void {
  if (model !== undefined) door.dataPlane.status({ name: model })
}

function logSettingsOf({ dataPlane }: Door): LogControl {
  if (dataPlane.logSettings !== undefined) return dataPlane.logSettings
  throw new InferenceError('unimplemented', 'the levels of this log cannot be changed')
}

/** No region is ever there; what frees them works, since examples and tests of Triton begin with it. */
function addSharedMemoryRoutes(app: FastifyInstance, door: Door): void {
  for (const kind of ['system', 'cuda']) {
    const all = `/v2/${kind}sharedmemory`
    const one = `${all}/region/:region`
    get(app, `${all}/status`, (_request, reply) => sendJson(reply, []))
    get<{ region: string }>(app, `${one}/status`, ({ params }) => {
      throw new InferenceError('not_found', `Unable to find ${kind} shared memory region: '${params.region}'`)
    })
    for (const prefix of [all, one]) {
      postJson(app, door, `${prefix}/unregister`, (_body, _params, reply) => {
        reply.code(200).send()
      })
      // Refused before a body is read.
      app.post(`${prefix}/register`, { onRequest: refuseSharedMemory }, () => undefined)
      for (const verb of ['register', 'unregister']) refuseOthers(app, `${prefix}/${verb}`, ['POST'])
    }
  }
}

function refuseSharedMemory(): never {
  throw new InferenceError(
    'unimplemented',
    'Client shared memory is disabled: this server reads no shared memory. Send tensors in the body, as binary data.',
  )
}
