/** A fastify app that takes every body as a buffer: the ground that both servers on fastify stand on. */
import fastify from 'fastify'

/** Room for a picture as JSON. */
const bodyLimit = 64 * 2 ** 20

export function createApp() {
  const app = fastify({ logger: false, bodyLimit })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  return app
}
