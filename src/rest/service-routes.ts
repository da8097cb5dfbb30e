/** Routes about the server itself: liveness, metrics, the API's description and its page. */
import type { FastifyInstance } from 'fastify'
import { sendJson } from './answer.ts'
import { addDocsRoutes } from './docs.ts'
import { openAiNames } from './openai-models.ts'
import { describeApi } from './openapi.ts'
import type { Door } from './options.ts'
import { get } from './routing.ts'

export function addServiceRoutes(app: FastifyInstance, door: Door): void {
  get(app, '/', (_request, reply) => sendJson(reply, { status: 'alive' }))
  get(app, '/metrics', async (_request, reply) => {
    const { contentType, text } = await door.metrics.expose()
    return reply.header('content-type', contentType).send(text)
  })
  get(app, '/openapi.json', (_request, reply) => {
    sendJson(
      reply,
      describeApi(door.version, {
        graphs: door.graphs?.names,
        openAi: openAiNames(door),
        hasAliases: door.aliases !== undefined,
      }),
    )
  })
  addDocsRoutes(app)
}
