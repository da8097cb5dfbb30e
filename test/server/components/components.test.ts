/** Transformers and explainers of manifests: hooks, other servers, programs; over every way that requests come. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../../src/client/index.ts'
import { silentLog, type Log } from '../../../src/core/log.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { createServer, type Server, type ServerOptions } from '../../../src/server/server.ts'
import { ManifestBench, service, v1alpha1 } from '../../kserve/support.ts'
import { samples } from '../../paths.ts'

const bench = new ManifestBench()
const open: Server[] = []
const stubs: HttpServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
  for (const stub of stubs.splice(0)) {
    stub.closeAllConnections()
    await new Promise((resolve) => stub.close(resolve))
  }
})
afterAll(() => bench.close())

const iris = `onnx:\n  storageUri: file://${join(samples, 'iris')}\n  protocolVersion: v1`
const isvc = service(iris, 'flowers')
const rows = { instances: [[6.3, 3.3, 6, 2.5]] }
const label = (value: number) => expect.objectContaining({ label: value }) as unknown
const predicted = (value: number) => ({ status: 200, answer: { predictions: [label(value)] } })

async function start(files: Readonly<Record<string, string>>, options: Partial<ServerOptions> = {}) {
  const logged: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[] = []
  const log: Log = { ...silentLog, info: (fields, message) => void logged.push({ fields, message }) }
  const directory = await bench.write(files)
  const server = await createServer({ httpPort: 0, grpcPort: 0, log, file: [join(directory, 'm.yaml')], ...options })
  open.push(server)
  return { server, logged, ...(await server.start()) }
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers })
  return { status: response.status, answer: await response.json() }
}

describe('a hook module', () => {
  const module = `
    export const preprocess = (request) => ({
      inputs: request.inputs.map((input) => ({ ...input, data: Float32Array.from(input.data, (value) => value / 10) })),
    })
    export const explain = async (request, context, predict) => {
      const { outputs } = await predict(request)
      return { outputs: [{ name: 'why', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(outputs.length) }] }
    }`

  it('transforms and explains around the model', async () => {
    const text = `${isvc}  transformer: {servable: {module: ./t.mjs}}\n`
    const { http, server } = await start({ 'm.yaml': text, 't.mjs': module })
    expect(await post(`${http}/v1/models/flowers:predict`, { instances: [[63, 33, 60, 25]] })).toEqual(predicted(2))
    expect(await post(`${http}/v1/models/flowers:explain`, { instances: [[63, 33, 60, 25]] })).toEqual({
      status: 200,
      answer: { predictions: [[2]] },
    })
    expect(server.dataPlane.metadata({ name: 'flowers' }).hasExplainer).toBe(true)
  })

  it('that is not there ends the start with its place', async () => {
    const text = `${isvc}  explainer: {servable: {module: ./gone.mjs}}\n`
    await expect(start({ 'm.yaml': text })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/m\.yaml:9: .*gone\.mjs does not exist$/) as string,
    })
  })
})

interface Seen {
  readonly url: string
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: unknown
}

/** What a stub waits for, and who is told of its requests. */
interface Hold {
  gate: Promise<void>
  onRequest: () => void
}

/** A transformer elsewhere: divides what comes by ten and asks the predictor, at the same path. */
async function stub(predictor: () => string, seen: Seen[], hold: Hold): Promise<string> {
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        instances?: number[][]
        inputs?: { data: number[] }[]
      }
      seen.push({ url: request.url ?? '', headers: request.headers, body })
      const tenth = (values: readonly number[]) => values.map((value) => value / 10)
      const inner =
        body.instances === undefined
          ? { inputs: body.inputs?.map((input) => ({ ...input, data: tenth(input.data) })) }
          : { instances: body.instances.map(tenth) }
      hold.onRequest()
      const asked = hold.gate.then(() => post(`http://${predictor()}${request.url ?? ''}`, inner))
      void asked.then(({ status, answer }) => {
        response.writeHead(status, { 'content-type': 'application/json', 'x-by': 'transformer' })
        response.end(JSON.stringify(answer))
      })
    })
  })
  stubs.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a transformer elsewhere', () => {
  async function started(more = '', predictor = iris) {
    const seen: Seen[] = []
    let address = ''
    const hold: Hold = { gate: Promise.resolve(), onRequest: () => undefined }
    const url = await stub(() => address, seen, hold)
    const text = `${service(predictor, 'flowers')}  transformer: {servable: {url: "${url}"}}\n${more}`
    const running = await start({ 'm.yaml': text })
    address = String(running.logged.find(({ fields }) => fields['predictor'] !== undefined)?.fields['predictor'])
    return { ...running, seen, hold }
  }

  it('gets the requests of its service with path and headers, and finds the model behind it', async () => {
    const { http, seen, server } = await started()
    const url = `${http}/v1/models/flowers:predict`
    const headers = { 'x-request-id': 'r1', authorization: 'Bearer x', 'content-type': 'application/json' }
    const response = await fetch(url, {
      method: 'POST',
      body: JSON.stringify({ instances: [[63, 33, 60, 25]] }),
      headers,
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-by')).toBe('transformer')
    expect(await response.json()).toEqual({ predictions: [label(2)] })
    expect(seen).toEqual([
      {
        url: '/v1/models/flowers:predict',
        headers: expect.objectContaining(headers) as object,
        body: { instances: [[63, 33, 60, 25]] },
      },
    ])
    expect(server.dataPlane.status({ name: 'flowers-transformer' })).toMatchObject({
      state: 'ready',
      runtime: 'transformer',
    })
  })

  it('gets those of V2, of programs and of graphs, too', async () => {
    const graph = `---\n${v1alpha1}\nkind: InferenceGraph\nmetadata: {name: g}\nspec:\n  nodes:\n    root: {routerType: Sequence, steps: [{serviceName: flowers}]}\n`
    const { http, seen, server } = await started(graph)
    const input = { name: 'X', datatype: 'FP32', shape: [1, 4], data: [63, 33, 60, 25] }
    const { answer } = await post(`${http}/v2/models/flowers/infer`, { inputs: [input] })
    expect(answer).toMatchObject({ model_name: 'flowers', outputs: [{ name: 'label', data: [2] }, {}] })
    const x = tensor('X', 'FP32', [1, 4], Float32Array.of(63, 33, 60, 25))
    const { outputs } = await server.infer({ model: { name: 'flowers' }, inputs: [x] })
    expect(outputs.length).toBeGreaterThan(0)
    expect(await post(`${http}/graphs/g`, { instances: [[63, 33, 60, 25]] })).toEqual(predicted(2))
    expect(seen.map(({ url }) => url)).toEqual([
      '/v2/models/flowers/infer',
      '/v1/models/flowers:predict',
      '/v1/models/flowers:predict',
    ])
  })

  it.each(['v1', 'v2'])('gets those of gRPC as %s where the service speaks that', async (protocol) => {
    const { grpc = '', seen } = await started('', iris.replace('v1', protocol))
    const client = createClient(`grpc://${grpc}`)
    const { outputs } = await client.infer('flowers', { X: { data: [63, 33, 60, 25], shape: [1, 4] } })
    client.close()
    expect(outputs['label']?.data).toEqual(BigInt64Array.of(2n))
    expect(seen.map(({ url }) => url)).toEqual([
      protocol === 'v1' ? '/v1/models/flowers:predict' : '/v2/models/flowers/infer',
    ])
  })

  it('still reaches the model while the server drains', async () => {
    const { http, server, seen, hold } = await started()
    let release = (): void => undefined
    hold.gate = new Promise((resolve) => (release = resolve))
    const came = new Promise<void>((resolve) => (hold.onRequest = resolve))
    const running = post(`${http}/v1/models/flowers:predict`, { instances: [[63, 33, 60, 25]] })
    await came
    const closed = server.close()
    const late = await post(`${http}/v1/models/flowers:predict`, rows)
    expect(late.status).toBe(503)
    release()
    expect(await running).toEqual(predicted(2))
    await closed
    expect(seen).toHaveLength(1)
  })

  it('that is not there is 503 with Retry-After', async () => {
    const { http } = await start({ 'm.yaml': `${isvc}  transformer: {servable: {url: "http://127.0.0.1:9"}}\n` })
    const response = await fetch(`${http}/v1/models/flowers:predict`, { method: 'POST', body: JSON.stringify(rows) })
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({
      error: expect.stringMatching(/^the transformer of model 'flowers' gives no answer: /) as string,
    })
  })

  it('is not asked for explanations; an explainer is', async () => {
    const seen: Seen[] = []
    const explainer = createHttpServer((request, response) => {
      seen.push({ url: request.url ?? '', headers: {}, body: undefined })
      request.resume()
      response.end('{"explanations": []}')
    })
    stubs.push(explainer)
    await new Promise<void>((resolve) => explainer.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(explainer.address() as AddressInfo).port}`
    const { http } = await start({ 'm.yaml': `${isvc}  explainer: {servable: {url: "${url}"}}\n` })
    expect(await post(`${http}/v1/models/flowers:explain`, rows)).toEqual({ status: 200, answer: { explanations: [] } })
    expect(await post(`${http}/v1/models/flowers:predict`, rows)).toEqual(predicted(2))
    expect(seen.map((each) => each.url)).toEqual(['/v1/models/flowers:explain'])
  })
})

/** As a transformer of KServe's framework: told by its arguments where everything is. */
const program = `
  import { createServer } from 'node:http'
  const option = (name) => process.argv[process.argv.indexOf(name) + 1]
  const predictor = option('--predictor_host')
  createServer(async (request, response) => {
    if (request.url === '/die') process.exit(3)
    let text = ''
    for await (const chunk of request) text += chunk
    const { instances } = JSON.parse(text)
    const inner = { instances: instances.map((row) => row.map((value) => value / Number(process.env.DIVISOR))) }
    const answer = await fetch('http://' + predictor + '/v1/models/' + option('--model_name') + ':predict', {
      method: 'POST',
      body: JSON.stringify(inner),
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(await answer.text())
  }).listen(Number(option('--http_port')), '127.0.0.1')`

it('a program is started with the arguments of KServe, and ended with the server', async () => {
  const command = `command: ["${process.execPath}", t.mjs], env: [{name: DIVISOR, value: "10"}]`
  const text = `${isvc}  transformer: {containers: [{${command}}]}\n`
  await expect(start({ 'm.yaml': text, 't.mjs': program })).rejects.toMatchObject({
    message: expect.stringContaining('--allow-commands') as string,
  })
  const { http, server, logged } = await start({ 'm.yaml': text, 't.mjs': program }, { allowCommands: true })
  expect(server.dataPlane.isReady).toBe(true)
  expect(await post(`${http}/v1/models/flowers:predict`, { instances: [[63, 33, 60, 25]] })).toEqual(predicted(2))
  const ready = logged.find(({ message }) => message === 'launched process is ready')
  const { port } = (ready?.fields['ports'] ?? {}) as { port: number }
  await server.close()
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
})

describe('limits of a service', () => {
  const slow = `export const preprocess = async (request) => {
    await new Promise((resolve) => globalThis.gates.push(resolve))
    return request
  }`

  it('end the wait of callers and refuse who is too many', async () => {
    const gates: (() => void)[] = []
    Object.assign(globalThis, { gates })
    const predictor = `containerConcurrency: 1\ntimeout: 1\n${iris}`
    const text = `${service(predictor, 'flowers')}  transformer: {servable: {module: ./t.mjs}}\n`
    const { http } = await start({ 'm.yaml': text, 't.mjs': slow })
    const url = `${http}/v1/models/flowers:predict`
    const running = Array.from({ length: 12 }, () => fetch(url, { method: 'POST', body: JSON.stringify(rows) }))
    const statuses = (await Promise.all(running)).map(({ status }) => status).toSorted()
    expect(statuses).toEqual([...Array.from({ length: 1 }, () => 503), ...Array.from({ length: 11 }, () => 504)])
    expect(gates).toHaveLength(1)
    for (const open of gates) open()
  })
})
