/** Graphs in the description of the API, as a server with some gives it. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createServer, type Server } from '../../../src/index.ts'
import { fixtures } from '../../paths.ts'

const graphPath = z.looseObject({
  parameters: z.tuple([
    z.looseObject({ name: z.literal('graph'), schema: z.object({ type: z.string(), enum: z.array(z.string()) }) }),
  ]),
  post: z.looseObject({ operationId: z.string() }),
})
const api = z.looseObject({
  paths: z.record(z.string(), z.unknown()),
  tags: z.array(z.looseObject({ name: z.string() })),
})

describe('/openapi.json of a server with graphs', () => {
  let server: Server
  let url = ''
  let document: z.infer<typeof api>

  beforeAll(async () => {
    const spec = { nodes: { root: { routerType: 'Sequence', steps: [{ serviceName: 'iris' }] } } }
    server = await createServer({
      models: { iris: `${fixtures}/models/iris-logreg` },
      graphs: ['one', 'two'].map((name) => ({ name, spec })),
      httpPort: 0,
      enableGrpc: false,
      logLevel: 'silent',
    })
    url = (await server.start()).http
    document = api.parse(await (await fetch(`${url}/openapi.json`)).json())
  })
  afterAll(() => server.close())

  it('is valid, and names them', async () => {
    const { valid, errors } = await new Validator().validate({ ...document })
    expect(errors ?? []).toEqual([])
    expect(valid).toBe(true)
    expect(document.tags.map(({ name }) => name)).toContain('graphs')
    const [{ schema }] = graphPath.parse(document.paths['/graphs/{graph}']).parameters
    expect(schema.enum).toEqual(['one', 'two'])
  })

  it('names a path that answers, with an explanation where one is asked for', async () => {
    const body = JSON.stringify({ instances: [[6.3, 3.3, 6, 2.5]] })
    const answer = await fetch(`${url}/graphs/two?explain=true`, { method: 'POST', body })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ status: 200, steps: [{ node: 'root', outcome: 'answered' }] })
  })
})

it('has no graphs where a server has none', async () => {
  const server = await createServer({ httpPort: 0, enableGrpc: false, logLevel: 'silent' })
  const { http } = await server.start()
  const { paths, tags } = api.parse(await (await fetch(`${http}/openapi.json`)).json())
  await server.close()
  expect(paths).not.toHaveProperty('/graphs/{graph}')
  expect(tags.map(({ name }) => name)).not.toContain('graphs')
})
