/** The V1 routes that describe models: their list, the states of their versions, their signatures. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { describeModelV1 } from '../codec/tensorflow/model-info.ts'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { versionStatuses } from '../repository/version-status.ts'
import { sendJson } from './answer.ts'
import { openAiList, openAiModel, openAiNames } from './openai-models.ts'
import type { Door } from './options.ts'
import { get } from './routing.ts'
import { inServingWords, isCall, malformed, refBy, type VersionedModel } from './v1-target.ts'
import { modelNames } from './v2-routes.ts'

/** `GET /v1/models` and the signatures; states share their paths with calls, see `v1-routes.ts`. */
export function addV1DescriptionRoutes(app: FastifyInstance, door: Door): void {
  get(app, '/v1/models', (_request, reply) => sendJson(reply, listModels(door)))
  addMetadataRoute(app, '/v1/models/:model/metadata', door, ({ model }) => ({ name: model }))
  for (const by of ['versions', 'labels'] as const) {
    addMetadataRoute(app, `/v1/models/:model/${by}/:target/metadata`, door, (params, request) =>
      refBy(door, request, by, params),
    )
  }
}

/** KServe's list; where models answer OpenAI's requests, with OpenAI's list in the same object. */
function listModels(door: Door): object {
  const list = openAiList(door)
  return { ...(list.data.length === 0 ? {} : list), models: modelNames(door) }
}

/** A signature is only ever read: TF Serving calls every other method malformed, not forbidden. */
function addMetadataRoute(
  app: FastifyInstance,
  path: string,
  door: Door,
  refOf: (params: VersionedModel, request: FastifyRequest) => ModelRef,
): void {
  app.get<{ Params: VersionedModel }>(path, (request, reply) => {
    return describeSignature(door, refOf(request.params, request)).then((signature) => sendJson(reply, signature))
  })
  app.route({
    method: ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    url: path,
    onRequest: (request) => {
      throw malformed(request)
    },
    handler: () => undefined,
  })
}

async function describeSignature({ dataPlane }: Door, ref: ModelRef): Promise<object> {
  try {
    await dataPlane.wake(ref)
    const served = dataPlane.metadata(ref)
    return describeModelV1(ref.name, served.ref.version, served)
  } catch (reason) {
    throw inServingWords(reason, ref)
  }
}

/**
 * The answer of `GET /v1/models/{model}`: KServe's and TF Serving's in one, the clients of each read their own keys.
 *
 * @throws InferenceError `not_found`, or, as KServe's probes expect, `unavailable` while no version is ready
 */
export function describeModel(door: Door, request: FastifyRequest, name: string): object {
  if (isCall(name) && !modelNames(door).includes(name)) throw malformed(request)
  const statuses = statesOf(door, { name })
  door.dataPlane.check({ name })
  const own = openAiNames(door).includes(name) ? openAiModel(name) : {}
  return { ...own, name, ready: true, model_version_status: statuses }
}

/** The answer of `GET /v1/models/{model}/versions/{version}`: a state is told whatever it is, as by TF Serving. */
export function describeVersion(door: Door, ref: ModelRef): object {
  return { model_version_status: statesOf(door, ref) }
}

function statesOf({ dataPlane }: Door, ref: ModelRef): readonly object[] {
  try {
    return versionStatuses(dataPlane.models(), dataPlane.named(ref)).map(
      ({ version, state, errorCode, errorMessage }) => ({
        version,
        state,
        status: { error_code: errorCode, error_message: errorMessage },
      }),
    )
  } catch (reason) {
    // Clients of both read this answer, each looks for its own words.
    const { code, message } = InferenceError.from(reason)
    if (code !== 'not_found' || ref.version !== undefined) throw reason
    throw new InferenceError(code, `${message}. Model with name ${ref.name} does not exist.`, { cause: reason })
  }
}
