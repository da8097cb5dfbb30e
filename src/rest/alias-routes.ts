/** Aliases of models: `/v2/repository/aliases`. This server's own: no other protocol has them. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { Alias, AliasTarget, Expected } from '../repository/aliases.ts'
import { sendError, sendJson } from './answer.ts'
import { readJsonObject, type JsonObject } from './json-body.ts'
import type { Door } from './options.ts'
import { get, refuseOthers, takeAnyContentType } from './routing.ts'

/** The aliases as this door sees them. */
export interface RestAliases {
  readonly all: readonly Alias[]
  get(name: string): Alias | undefined
  /**
   * @param expected its targets now, null for none; whatever they are where absent
   * @throws InferenceError `failed_precondition` where they are others
   */
  set(name: string, targets: readonly AliasTarget[], expected?: Expected): Promise<void>
  /** @throws InferenceError `not_found`; as {@link set} */
  delete(name: string, expected?: Expected): Promise<void>
}

interface AliasRoute {
  Params: { readonly alias: string }
}

export function addAliasRoutes(app: FastifyInstance, door: Door, aliases: RestAliases): void {
  const all = '/v2/repository/aliases'
  const one = `${all}/:alias`
  get(app, all, (_request, reply) => sendJson(reply, { aliases: aliases.all }))
  app.get<AliasRoute>(one, ({ params: { alias } }, reply) => sendJson(reply, known(aliases, alias)))
  const change = (method: 'PUT' | 'DELETE', make: (name: string, body: JsonObject) => Promise<object>): void => {
    app.route<AliasRoute>({
      method,
      url: one,
      onRequest: (request, _reply, done) => {
        takeAnyContentType(request)
        done()
      },
      handler: async ({ params: { alias }, body }, reply) => {
        try {
          sendJson(reply, await make(alias, body === undefined ? {} : readJsonObject(body)))
        } catch (reason) {
          refuse(door, reply, reason, aliases.get(alias))
        }
        return reply
      },
    })
  }
  change('PUT', async (name, body) => {
    await aliases.set(name, readTargets('targets', body['targets']), readExpected(body))
    return known(aliases, name)
  })
  change('DELETE', async (name, body) => {
    await aliases.delete(name, readExpected(body))
    return { name, deleted: true }
  })
  refuseOthers(app, one, ['GET', 'HEAD', 'PUT', 'DELETE'])
}

function known(aliases: RestAliases, name: string): Alias {
  const alias = aliases.get(name)
  if (alias !== undefined) return alias
  throw new InferenceError('not_found', `there is no alias '${name}'`)
}

/** Who expected something else is told what there is. */
function refuse(door: Door, reply: FastifyReply, reason: unknown, current: Alias | undefined): void {
  const { code, message } = InferenceError.from(reason)
  if (code !== 'failed_precondition') sendError(door, reply, reason)
  else sendJson(reply, { error: message, current: current ?? null }, 409)
}

function readExpected({ expected }: JsonObject): Expected | undefined {
  if (expected === undefined || expected === null) return expected
  return readTargets('expected', expected)
}

function readTargets(field: string, value: unknown): readonly AliasTarget[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid(`'${field}' must be a list of targets, such as [{"model": "iris-2", "weight": 100}]`)
  }
  return value.map((target: unknown, index) => readTarget(`${field}[${index}]`, target))
}

function readTarget(place: string, value: unknown): AliasTarget {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${place} must be an object`)
  const { model, version, weight = 1, ...others }: JsonObject = { ...value }
  const [other] = Object.keys(others)
  if (other !== undefined) throw invalid(`${place} has no '${other}': it has 'model', 'version' and 'weight'`)
  if (typeof model !== 'string' || model === '') throw invalid(`${place}.model must be the name of a model`)
  if (version !== undefined && !/^\d+$/.test(textOf(version))) throw invalid(`${place}.version must be a number`)
  if (typeof weight !== 'number' || !(weight >= 0)) throw invalid(`${place}.weight must be a number, 0 or more`)
  return { model, ...(version === undefined ? {} : { version: textOf(version) }), weight }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
