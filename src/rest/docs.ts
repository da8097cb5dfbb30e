/** The API's page, `/docs`: the static files of @fastify/swagger-ui over `/openapi.json`. Nothing comes from elsewhere. */
import type { FastifyInstance } from 'fastify'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { InferenceError } from '../core/errors.ts'
import { get } from './routing.ts'
import { HttpRefusal } from './status.ts'

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Servable</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`
/** A file of its own, so that the page needs no inline script. */
const start = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', validatorUrl: null })\n"

const types = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
])

const policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

export function addDocsRoutes(app: FastifyInstance): void {
  get(app, '/docs', (_request, reply) =>
    reply.headers({ 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy }).send(page),
  )
  get(app, '/docs/start.js', (_request, reply) =>
    reply.header('content-type', 'text/javascript; charset=utf-8').send(start),
  )
  get<{ file: string }>(app, '/docs/:file', async ({ params: { file } }, reply) => {
    const type = types.get(file)
    if (type === undefined) throw new HttpRefusal(404, 'Not Found')
    const content = await readAsset(file)
    return reply.headers({ 'content-type': type, 'cache-control': 'max-age=3600' }).send(content)
  })
}

async function readAsset(file: string): Promise<Buffer> {
  try {
    const directory = dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json'))
    return await readFile(join(directory, 'static', file))
  } catch (cause) {
    const text = "the page needs the package '@fastify/swagger-ui': npm install @fastify/swagger-ui"
    throw new InferenceError('unimplemented', text, { cause })
  }
}
