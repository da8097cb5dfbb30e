import { afterEach, describe, expect, it } from 'vitest'
import { createClient, type Client } from '../../src/client/index.ts'
import { fakeServer, type Call, type FakeServer, type Reaction } from './fake-server.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function connected(react: (call: Call) => Reaction): Promise<{ client: Client; server: FakeServer }> {
  const server = await fakeServer(react)
  const client = createClient(server.url, { protocol: 'v1', retries: 0 })
  closers.push(
    () => client.close(),
    () => server.close(),
  )
  return { client, server }
}

const dimensions = (...sizes: string[]) => ({ dim: sizes.map((size) => ({ size, name: '' })), unknown_rank: false })

/** TF Serving with half_plus_two. */
function tfServing({ path, body }: Call): Reaction {
  switch (path) {
    case '/v1/models/half':
      return { body: { model_version_status: [{ version: '123', state: 'AVAILABLE', status: { error_code: 'OK' } }] } }
    case '/v1/models/half/metadata':
    case '/v1/models/half/versions/123/metadata':
      return {
        body: {
          model_spec: { name: 'half', signature_name: '', version: '123' },
          metadata: {
            signature_def: {
              signature_def: {
                serving_default: {
                  inputs: { x: { dtype: 'DT_FLOAT', tensor_shape: dimensions('-1', '1'), name: 'x:0' } },
                  outputs: { y: { dtype: 'DT_FLOAT', tensor_shape: dimensions('-1', '1'), name: 'y:0' } },
                  method_name: 'tensorflow/serving/predict',
                },
              },
            },
          },
        },
      }
    case '/v1/models/half:predict':
    case '/v1/models/half/versions/123:predict':
      return body.includes('instances') ? { body: '{"predictions": [[2.5], [3.0]]}' } : { status: 400, body: {} }
    default:
      return { status: 404, body: { error: 'Could not find any versions of model' } }
  }
}

describe('infer over V1', () => {
  it('sends rows and takes names and datatypes from the signature', async () => {
    const { client, server } = await connected(tfServing)
    const { outputs } = await client.infer('half', { x: [1, 2] })
    expect(server.calls.at(-1)?.body.toString()).toBe('{"instances":[[1.0],[2.0]]}')
    expect(outputs['y']).toEqual({ name: 'y', datatype: 'FP32', shape: [2, 1], data: Float32Array.of(2.5, 3) })
  })

  it('addresses a version', async () => {
    const { client, server } = await connected(tfServing)
    await client.infer('half', { x: [[1], [2]] }, { version: '123' })
    expect(server.calls.map(({ path }) => path)).toEqual([
      '/v1/models/half/versions/123/metadata',
      '/v1/models/half/versions/123:predict',
    ])
  })

  it('works where a server has no metadata (KServe), with several inputs and outputs', async () => {
    const { client, server } = await connected(({ path }) =>
      path.endsWith(':predict')
        ? {
            body: {
              predictions: [
                { a: 1, b: 'x' },
                { a: 2, b: 'y' },
              ],
            },
          }
        : { status: 404, body: { detail: 'Not Found' } },
    )
    const { outputs } = await client.infer('m', { p: [1, 2], q: [0.1, 5] }, { outputs: ['a'] })
    expect(JSON.parse(server.calls.at(-1)?.body.toString() ?? '')).toEqual({
      instances: [
        { p: 1, q: 0.1 },
        { p: 2, q: 5 },
      ],
    })
    expect(outputs).toEqual({ a: { name: 'a', datatype: 'INT64', shape: [2], data: BigInt64Array.of(1n, 2n) } })
  })

  it('sends columns where inputs differ in rows', async () => {
    const { client, server } = await connected(({ path }) =>
      path.endsWith(':predict') ? { body: { outputs: [1.5] } } : { status: 404 },
    )
    const { outputs } = await client.infer('m', { p: [1, 2], q: [3] })
    expect(server.calls.at(-1)?.body.toString()).toBe('{"inputs":{"p":[1,2],"q":[3]}}')
    expect(outputs['output-0']).toMatchObject({ datatype: 'FP64', data: Float64Array.of(1.5) })
  })

  it('gives errors the code of their status and the text of the server', async () => {
    const { client } = await connected(() => ({
      status: 404,
      body: { error: 'Servable not found for request: Latest(m)' },
    }))
    await expect(client.infer('m', { x: [1] })).rejects.toMatchObject({
      code: 'not_found',
      message: 'Servable not found for request: Latest(m)',
    })
  })
})

describe('questions over V1', () => {
  it('reads the status documents of TF Serving and KServe', async () => {
    const { client } = await connected((call) => {
      if (call.path === '/v1/models/k') return { body: { name: 'k', ready: true } }
      if (call.path === '/v1/models/loading') return { body: { model_version_status: [{ state: 'LOADING' }] } }
      return tfServing(call)
    })
    expect(await client.isModelReady('half')).toBe(true)
    expect(await client.isModelReady('k')).toBe(true)
    expect(await client.isModelReady('loading')).toBe(false)
    expect(await client.isModelReady('nope')).toBe(false)
  })

  it('is ready where every model that is listed is ready', async () => {
    let ready = false
    const { client } = await connected(({ path }) => {
      if (path === '/v1/models') return { body: { models: ['a', 'b'] } }
      return path === '/v1/models/a' || ready
        ? { body: { ready: true } }
        : { status: 503, body: { error: 'not ready' } }
    })
    expect(await client.isReady()).toBe(false)
    ready = true
    expect(await client.isReady()).toBe(true)
    expect(await client.models()).toEqual([{ name: 'a' }, { name: 'b' }])
    expect(await client.isLive()).toBe(true)
  })

  it('says that V1 tells nothing of the server', async () => {
    const { client } = await connected(tfServing)
    await expect(client.serverMetadata()).rejects.toMatchObject({ code: 'unimplemented' })
  })
})
