/** Program: fastify alone; echoes bodies, or is a sink that reads them and answers with a few bytes. */
import { announce, host } from './announce.ts'
import { createApp } from './app.ts'

const isEcho = process.argv[2] === 'echo'

const app = createApp()
app.post<{ Body: Buffer }>('/*', (request, reply) => {
  void reply.header('content-type', 'application/json')
  return reply.send(isEcho ? request.body : Buffer.from(JSON.stringify({ bytes: request.body.length })))
})
announce(await app.listen({ port: 0, host }))
