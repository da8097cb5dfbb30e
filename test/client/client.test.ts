import { afterEach, describe, expect, it } from 'vitest'
import { createClient, type ConnectOptions } from '../../src/client/index.ts'
import type { Clock } from '../../src/client/retry.ts'
import { bytesOf, encodeByteStrings } from '../../src/core/tensor.ts'
import { fakeServer, irisAnswer, irisMetadata, irisServer, type Call, type Reaction } from './fake-server.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Waits take no time; what was waited is written down. */
function fakeClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = []
  let time = 0
  return {
    waits,
    now: () => time,
    random: () => 1,
    wait: async (ms) => {
      waits.push(ms)
      time += ms
    },
  }
}

async function connected(react: (call: Call, index: number) => Reaction, options: ConnectOptions = {}) {
  const server = await fakeServer(react)
  const clock = fakeClock()
  const client = createClient(server.url, { clock, ...options })
  closers.push(
    () => client.close(),
    () => server.close(),
  )
  return { client, server, clock }
}

const sentJson = (call: Call | undefined): unknown => JSON.parse(call?.body.toString('utf8') ?? '')
const row = { X: [5.1, 3.5, 1.4, 0.2] }

describe('infer over V2 JSON', () => {
  it('takes datatype and shape of plain numbers from the metadata', async () => {
    const { client, server } = await connected(irisServer)
    const { outputs, response } = await client.infer('iris', row)
    expect(server.calls.map(({ path }) => path)).toEqual(['/v2/models/iris', '/v2', '/v2/models/iris/infer'])
    expect(sentJson(server.calls[2])).toEqual({
      inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }],
    })
    expect(server.calls[2]?.headers['inference-header-content-length']).toBeUndefined()
    expect(outputs['label']?.data).toEqual(BigInt64Array.of(0n))
    expect(outputs['probabilities']?.shape).toEqual([1, 3])
    expect(response.model).toEqual({ name: 'iris', version: '2' })
  })

  it('asks for metadata and extensions once', async () => {
    const { client, server } = await connected(irisServer)
    await client.infer('iris', row)
    await client.infer('iris', { X: [[1, 2, 3, 4]] })
    expect(server.calls.length).toBe(4)
  })

  it('asks for nothing where the tensors say all', async () => {
    const { client, server } = await connected(irisServer, { binary: false })
    await client.infer('iris', { X: { shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) } })
    expect(server.calls.map(({ path }) => path)).toEqual(['/v2/models/iris/infer'])
  })

  it('sends version, outputs, parameters, id and headers', async () => {
    const { client, server } = await connected(irisServer, {
      binary: false,
      headers: { Authorization: 'a', 'X-Both': '1' },
    })
    const options = { version: '2', outputs: ['label'], parameters: { top: 3 }, id: 'q', headers: { 'x-both': '2' } }
    await client.infer('iris', row, options)
    const call = server.calls.at(-1)
    expect(call?.path).toBe('/v2/models/iris/versions/2/infer')
    expect(sentJson(call)).toMatchObject({ id: 'q', outputs: [{ name: 'label' }], parameters: { top: 3 } })
    expect(call?.headers).toMatchObject({ authorization: 'a', 'x-both': '2' })
  })

  it('encodes the name of a model in the path', async () => {
    const { client, server } = await connected(() => ({ body: irisAnswer }), { binary: false })
    await client.infer('my model/ü', { X: { shape: [1], data: Float32Array.of(1) } })
    expect(server.calls[0]?.path).toBe('/v2/models/my%20model%2F%C3%BC/infer')
  })

  it('keeps the prefix of a base URL and takes one without a scheme', async () => {
    const { server } = await connected((call) => irisServer({ ...call, path: call.path.replace('/gate', '') }))
    const client = createClient(`${server.url.replace('http://', '')}/gate/`)
    closers.push(() => client.close())
    expect(await client.isLive()).toBe(true)
    expect(server.calls[0]?.path).toBe('/gate/v2/health/live')
  })

  it('works where the server tells nothing of the model (KServe) and answers nulls', async () => {
    const { client, server } = await connected(({ path }) => {
      if (path === '/v2')
        return { body: { name: 'kserve', version: '0.20.0', extensions: ['model_repository_extension'] } }
      if (path.endsWith('/infer')) {
        return {
          body: {
            model_name: 'echo',
            model_version: null,
            id: 'x',
            parameters: null,
            outputs: [{ name: 'output-0', shape: [2], datatype: 'FP32', parameters: null, data: [1, 2] }],
          },
        }
      }
      return { body: { name: 'echo', versions: null, platform: '', inputs: [], outputs: [] } }
    })
    const { outputs, response } = await client.infer('echo', { x: [1, 2] })
    expect(sentJson(server.calls.at(-1))).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }],
    })
    expect(outputs['output-0']?.data).toEqual(Float32Array.of(1, 2))
    expect(response.model).toEqual({ name: 'echo', version: '' })
  })

  it('works with MLServer, whose parameters may be nested', async () => {
    const { client } = await connected(({ path }) => {
      if (path === '/v2') return { body: { name: 'mlserver', version: '1.7.0', extensions: [] } }
      if (!path.endsWith('/infer')) return { body: { name: 'm', platform: '', versions: [], inputs: [], outputs: [] } }
      const headers = { headers: { 'ce-id': '1' }, content_type: 'np' }
      const output = { name: 'y', shape: [1, 1], datatype: 'INT64', parameters: headers, data: [7] }
      return { body: { model_name: 'm', id: 'u', parameters: headers, outputs: [output] } }
    })
    const { outputs } = await client.infer('m', { x: [[1]] })
    expect(outputs['y']?.data).toEqual(BigInt64Array.of(7n))
  })
})

describe('infer over V2 binary', () => {
  const server = ({ path, headers, body }: Call): Reaction => {
    if (path === '/v2') return { body: { name: 's', version: '1', extensions: ['binary_tensor_data'] } }
    if (!path.endsWith('/infer')) return { body: irisMetadata }
    const length = Number(headers['inference-header-content-length'])
    const raw = body.subarray(length)
    const tail = Buffer.concat([bytesOf(Float32Array.of(1.5)), encodeByteStrings([Buffer.from('ä')])])
    const head = Buffer.from(
      JSON.stringify({
        model_name: 'iris',
        model_version: '1',
        outputs: [
          { name: 'y', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } },
          { name: 's', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: raw.length === 16 ? 6 : 0 } },
        ],
      }),
    )
    return {
      headers: { 'inference-header-content-length': String(head.length), 'content-type': 'application/octet-stream' },
      body: Buffer.concat([head, tail]),
    }
  }

  it('is used where the server advertises it', async () => {
    const { client, server: fake } = await connected(server)
    const { outputs } = await client.infer('iris', row)
    const call = fake.calls.at(-1)
    const length = Number(call?.headers['inference-header-content-length'])
    expect(JSON.parse(call?.body.subarray(0, length).toString() ?? '')).toMatchObject({
      inputs: [{ name: 'X', shape: [1, 4], parameters: { binary_data_size: 16 } }],
      parameters: { binary_data_output: true },
    })
    expect(call?.body.length).toBe(length + 16)
    expect(outputs['y']?.data).toEqual(Float32Array.of(1.5))
    expect(Buffer.from((outputs['s']?.data[0] as Uint8Array) ?? []).toString()).toBe('ä')
  })

  it('is used for half-precision inputs, which JSON cannot carry', async () => {
    const { client, server: fake } = await connected(() => ({ body: irisAnswer }), { binary: false })
    await client.infer('h', { X: { datatype: 'FP16', shape: [2], data: [1, -2] } })
    const call = fake.calls[0]
    expect(call?.body.subarray(-4)).toEqual(Buffer.from([0x00, 0x3c, 0x00, 0xc0]))
  })
})

describe('errors', () => {
  const failing = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    connected(() => ({ status, body, headers }), { binary: false, retries: 0 })
  const tensor = { X: { shape: [1], data: Float32Array.of(1) } }

  it.each([
    [400, 'invalid_argument'],
    [401, 'unauthenticated'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [413, 'resource_exhausted'],
    [422, 'invalid_argument'],
    [429, 'resource_exhausted'],
    [500, 'internal'],
    [501, 'unimplemented'],
    [503, 'unavailable'],
    [504, 'deadline_exceeded'],
  ])('gives status %i the code %s and the text of the server', async (status, code) => {
    const { client } = await failing(status, { error: 'why' })
    await expect(client.infer('m', tensor)).rejects.toMatchObject({ name: 'InferenceError', code, message: 'why' })
  })

  it('reads the validation errors of FastAPI', async () => {
    const { client } = await failing(422, {
      detail: [{ type: 'missing', loc: ['body', 'inputs'], msg: 'Field required' }],
    })
    await expect(client.infer('m', tensor)).rejects.toThrow('body.inputs: Field required')
  })

  it('tells where an answer without such a text came from', async () => {
    const { client, server } = await failing(502, '<html>Bad Gateway</html>')
    const text = `POST ${server.url}/v2/models/m/infer answered 502: <html>Bad Gateway</html>`
    await expect(client.infer('m', tensor)).rejects.toThrow(text)
  })

  it('names the address of a redirect', async () => {
    const { client } = await failing(301, '', { location: 'https://elsewhere/v2' })
    await expect(client.infer('m', tensor)).rejects.toThrow('a redirect to https://elsewhere/v2: use that address')
  })

  it('says so where the answer is no inference response', async () => {
    const { client } = await connected(() => ({ body: 'hello' }), { binary: false })
    await expect(client.infer('m', tensor)).rejects.toMatchObject({ code: 'internal' })
    await expect(client.modelMetadata('m')).rejects.toThrow("answered no JSON but 'hello': is it a model server?")
  })

  it('refuses values that do not fit before anything is sent', async () => {
    const { client, server } = await connected(irisServer, { binary: false })
    await expect(client.infer('iris', { X: [1, 'a', 3, 4] })).rejects.toThrow(
      "input 'X': element 1 is 'a', which is no FP32",
    )
    expect(server.calls.map(({ path }) => path)).toEqual(['/v2/models/iris'])
  })

  it('refuses headers that HTTP cannot carry', async () => {
    const { client } = await connected(irisServer)
    await expect(client.isLive({ headers: { 'x-a': 'b\nc' } })).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('refuses an address that is none', () => {
    expect(() => createClient('ftp://host')).toThrow("'ftp://host' is no address of a server")
    expect(() => createClient('')).toThrow('expected host:port')
  })
})

describe('retries', () => {
  const tensor = { X: { shape: [1], data: Float32Array.of(1) } }
  const flaky = (times: number, headers: Record<string, string> = {}, status = 503) =>
    connected((_, index) => (index < times ? { status, headers, body: { error: 'busy' } } : { body: irisAnswer }), {
      binary: false,
    })

  it('come after 503, each after twice the wait', async () => {
    const { client, server, clock } = await flaky(3)
    await client.infer('iris', tensor)
    expect(clock.waits).toEqual([100, 200, 400])
    expect(server.calls.length).toBe(4)
  })

  it('honour Retry-After', async () => {
    const { client, clock } = await flaky(1, { 'retry-after': '2' })
    await client.infer('iris', tensor)
    expect(clock.waits).toEqual([2000])
  })

  it('end after as many as allowed, with the error of the server', async () => {
    const { client, server } = await flaky(9)
    await expect(client.infer('iris', tensor)).rejects.toMatchObject({ code: 'unavailable', message: 'busy' })
    expect(server.calls.length).toBe(4)
  })

  it('are not begun where the wait would pass the deadline', async () => {
    const { client, server } = await flaky(1, { 'retry-after': '60' })
    await expect(client.infer('iris', tensor, { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'unavailable' })
    expect(server.calls.length).toBe(1)
  })

  it.each([400, 404, 429, 500, 501])('never come after %i', async (status) => {
    const { client, server } = await flaky(1, {}, status)
    await expect(client.infer('iris', tensor)).rejects.toThrow('busy')
    expect(server.calls.length).toBe(1)
  })

  it('come where nobody listens', async () => {
    const { server } = await connected(irisServer)
    await server.close()
    const clock = fakeClock()
    const client = createClient(server.url, { clock })
    await expect(client.modelMetadata('iris')).rejects.toThrow(`cannot reach ${server.url}: connection refused`)
    expect(clock.waits).toEqual([100, 200, 400])
    expect(await client.isLive()).toBe(false)
    expect(clock.waits.length).toBe(3)
  })

  it('are not needed where a kept connection had gone stale', async () => {
    const { client, server } = await connected((call, index) => (index === 1 ? 'close' : irisServer(call)), {
      retries: 0,
    })
    await client.modelMetadata('iris')
    await client.modelMetadata('iris')
    expect(server.calls.length).toBe(3)
  })

  it('come where an answer breaks off', async () => {
    const { client, server } = await connected(
      (_, index) =>
        index === 0 ? { headers: { 'content-length': '999' }, body: '{', isCut: true } : { body: irisAnswer },
      { binary: false },
    )
    await client.infer('iris', tensor)
    expect(server.calls.length).toBe(2)
  })

  it('come where the server closes the socket', async () => {
    const { client, server } = await connected((_, index) => (index === 0 ? 'close' : { body: irisAnswer }), {
      binary: false,
    })
    await client.infer('iris', tensor)
    expect(server.calls.length).toBe(2)
  })
})

describe('deadline and cancellation', () => {
  it('ends a call that is never answered', async () => {
    const { client } = await connected(() => 'hang')
    await expect(client.infer('iris', row, { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'no answer within 20 ms',
    })
  })

  it('cancels by the signal of the call', async () => {
    const controller = new AbortController()
    const { client } = await connected(() => {
      controller.abort()
      return 'hang'
    })
    await expect(client.infer('iris', row, { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('cancels by the signal of the client, also before anything is sent', async () => {
    const { client, server } = await connected(irisServer, { signal: AbortSignal.abort() })
    await expect(client.infer('iris', row)).rejects.toMatchObject({ code: 'cancelled' })
    expect(server.calls.length).toBe(0)
  })

  it('cancels while it waits to try again', async () => {
    const controller = new AbortController()
    const { client, server } = await connected(
      () => {
        setImmediate(() => controller.abort())
        return { status: 503, headers: { 'retry-after': '30' } }
      },
      { clock: (await import('../../src/client/retry.ts')).systemClock },
    )
    await expect(client.modelMetadata('iris', undefined, { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(server.calls.length).toBe(1)
  })

  it('leaves other calls alone', async () => {
    const { client } = await connected((call) => (call.path.endsWith('/ready') ? 'hang' : irisServer(call)))
    const [cancelled, fine] = await Promise.allSettled([client.isReady({ timeoutMs: 10 }), client.infer('iris', row)])
    expect(cancelled.status).toBe('rejected')
    expect(fine.status).toBe('fulfilled')
  })
})

describe('questions', () => {
  it('asks for life and readiness', async () => {
    const { client } = await connected((call) =>
      call.path === '/v2/health/ready' ? { status: 400 } : irisServer(call),
    )
    expect(await client.isLive()).toBe(true)
    expect(await client.isReady()).toBe(false)
    expect(await client.isModelReady('iris')).toBe(true)
    expect(await client.isModelReady('other')).toBe(false)
  })

  it('describes server and model', async () => {
    const { client } = await connected(irisServer)
    expect(await client.serverMetadata()).toEqual({ name: 'triton', version: '2.73.0', extensions: ['classification'] })
    expect(await client.modelMetadata('iris', '2')).toEqual({ ...irisMetadata, parameters: {} })
  })

  it('lists models by the repository index where there is no list', async () => {
    const { client } = await connected(irisServer)
    expect(await client.models()).toEqual([{ name: 'iris', version: '2', state: 'READY' }])
  })

  it('lists the names that KServe tells', async () => {
    const { client } = await connected(() => ({ body: { models: ['a', 'b'] } }))
    expect(await client.models()).toEqual([{ name: 'a' }, { name: 'b' }])
  })

  it('uses one connection for call after call', async () => {
    const { client, server } = await connected(irisServer)
    await client.isLive()
    await client.isReady()
    expect(server.calls[1]?.headers.connection).toBe('keep-alive')
  })
})
