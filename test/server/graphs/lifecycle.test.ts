/** Graphs from their specification to their end: what is refused at start, and how they follow their models. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import type { Log } from '../../../src/core/log.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { defineModel } from '../../../src/runtime/define-model.ts'
import { createServer, type Server, type ServerOptions } from '../../../src/server/server.ts'
import { fixtures } from '../../paths.ts'

const floats = { datatype: 'FP32', shape: [-1] } as const
const echo = defineModel({ inputs: { x: floats }, outputs: { x: floats }, predict: ({ x }) => ({ x: x.data }) })
const over = (...services: readonly string[]) => ({
  nodes: { root: { routerType: 'Sequence', steps: services.map((serviceName) => ({ serviceName })) } },
})

async function open(options: ServerOptions): Promise<Server> {
  const server = await createServer({
    log: silentLog,
    httpPort: 0,
    grpcPort: 0,
    enableGrpc: false,
    drainSeconds: 1,
    ...options,
  })
  onTestFinished(() => server.close())
  return server
}

const refused = (options: ServerOptions): Promise<string> =>
  open(options).then(
    () => 'not refused',
    (reason: unknown) => String(reason),
  )
const input = tensor('x', 'FP32', [1], Float32Array.of(3))
const state = (server: Server, name: string) => server.dataPlane.status({ name }).state

describe('a start', () => {
  it.each([
    ['an unknown service', over('eco'), `step '0' of node 'root': service 'eco' is no model or graph`],
    ['a near name', over('eco'), `did you mean 'echo'?`],
    [
      'a model that a service names',
      over('gone'),
      `service 'gone' is model 'away', which is no model or graph of this server`,
    ],
    [
      'a URL that cannot be called',
      { nodes: { root: { routerType: 'Sequence', steps: [{ serviceUrl: 'BE/x' }] } } },
      `'BE/x' is no URL that can be called`,
    ],
    ['a circle of nodes', { nodes: { root: { routerType: 'Sequence', steps: [{ nodeName: 'root' }] } } }, `circle`],
    ['no root', { nodes: {} }, `root node not found`],
    ['a wrong kind', { nodes: 3 }, `nodes`],
    ['a circle of graphs', over('g'), `graphs call each other in a circle: g`],
  ])('tells of %s', async (_what, spec, message) => {
    const text = await refused({
      models: { echo },
      graphs: [{ name: 'g', spec }],
      services: { gone: { model: 'away' } },
    })
    expect(text).toContain(message)
    expect(text).toMatch(/graph/)
  })

  it('tells the place where that is known', async () => {
    const where = (path: readonly (string | number)[]): string => `graph.yaml:${path.length}`
    const text = await refused({ models: { echo }, graphs: [{ name: 'g', spec: over('echo', 'no'), where }] })
    expect(text).toContain(`graph 'g': graph.yaml:5: step '1' of node 'root'`)
  })

  it('refuses names that are taken, or none', async () => {
    const spec = over('echo')
    expect(await refused({ models: { echo }, graphs: [{ name: 'echo', spec }] })).toContain(
      `'echo' is the name of a model and of a graph`,
    )
    const twice = [
      { name: 'g', spec },
      { name: 'g', namespace: 'b', spec },
    ]
    expect(await refused({ models: { echo }, graphs: twice })).toContain(`two graphs are named 'g'`)
    expect(await refused({ models: { echo }, graphs: [{ name: 'a/b', spec }] })).toContain(`cannot be named 'a/b'`)
    const alike = [
      { name: 'a', namespace: 'b-c', spec },
      { name: 'a-b', namespace: 'c', spec },
    ]
    expect(await refused({ models: { echo }, graphs: alike })).toContain('on the same host')
  })

  it('warns of what is odd or has no effect', async () => {
    const warnings: unknown[] = []
    const log: Log = { ...silentLog, warn: (fields) => warnings.push(fields['warning']) }
    const spec = { ...over('echo'), routerTimeouts: { serverWrite: 3 }, resources: {} }
    await open({ models: { echo }, graphs: [{ name: 'g', spec, propagateHeaders: ['*Trace'] }], log })
    expect(warnings.join()).toContain('routerTimeouts.serverWrite has no effect')
    expect(warnings.join()).toContain('propagateHeaders: failed to compile pattern "*Trace"')
  })
})

describe('a graph', () => {
  it('is ready once its models are, whichever of the two was given first', async () => {
    const graphs = [
      { name: 'outer', spec: over('inner') },
      { name: 'inner', spec: over('echo') },
    ]
    const server = await open({ models: { echo }, graphs })
    expect([state(server, 'outer'), server.dataPlane.isReady]).toEqual(['loading', false])
    await server.start()
    expect([state(server, 'outer'), server.dataPlane.isReady]).toEqual(['ready', true])
    const { outputs } = await server.infer({ model: { name: 'outer' }, inputs: [input] })
    expect(outputs[0]?.data).toEqual(Float32Array.of(3))
  })

  it('fails to load with the reason of its model', async () => {
    const server = await open({
      models: { echo, broken: join(fixtures, 'models', 'load-failures', 'garbage.onnx') },
      graphs: [{ name: 'g', spec: over('echo', 'broken') }],
    })
    await server.start()
    expect(server.dataPlane.status({ name: 'g' })).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining(`waits for 'broken': Model with name broken is not ready.`) as unknown,
    })
  })

  it('goes and comes with its models, and the server stays ready', async () => {
    const server = await open({
      models: { echo },
      graphs: [
        { name: 'inner', spec: over('echo') },
        { name: 'outer', spec: over('inner') },
      ],
    })
    await server.start()
    const control = server.dataPlane.modelControl
    await control.unload('echo')
    await settled(server, 'outer', 'unloaded')
    expect([state(server, 'inner'), server.dataPlane.isReady]).toEqual(['unloaded', true])
    await expect(server.infer({ model: { name: 'outer' }, inputs: [input] })).rejects.toMatchObject({
      code: 'not_found',
    })
    await control.load('echo')
    await settled(server, 'outer', 'ready')
    await server.infer({ model: { name: 'outer' }, inputs: [input] })
  })

  it('stays unloaded where a caller unloaded it, until one loads it', async () => {
    const server = await open({ models: { echo }, graphs: [{ name: 'g', spec: over('echo') }] })
    await server.start()
    const control = server.dataPlane.modelControl
    await control.unload('g')
    await control.unload('echo')
    await control.load('echo')
    expect(state(server, 'g')).toBe('unloaded')
    await control.load('g')
    expect(state(server, 'g')).toBe('ready')
    await server.infer({ model: { name: 'g' }, inputs: [input] })
  })

  it('finishes its requests when the server drains', async () => {
    let finish: () => void = () => undefined
    let began: () => void = () => undefined
    const running = new Promise<void>((resolve) => (began = resolve))
    const slow = defineModel({
      inputs: { x: floats },
      outputs: { x: floats },
      predict: async ({ x }) => {
        began()
        await new Promise<void>((resolve) => (finish = resolve))
        return { x: x.data }
      },
    })
    const server = await open({
      models: { slow, echo },
      graphs: [{ name: 'g', spec: over('slow', 'echo') }],
      drainSeconds: 20,
    })
    const { http } = await server.start()
    const ask = () => fetch(`${http}/graphs/g`, { method: 'POST', body: '{"instances":[3]}' })
    const answer = ask()
    await running
    const end = server.close()
    expect((await ask()).status).toBe(503)
    finish()
    expect((await answer).status).toBe(200)
    await end
  })
})

/** Resolves when a model has the state, by the telling of the repository. */
function settled(server: Server, name: string, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const end = server.dataPlane.onChange(() => look())
    const look = (): void => {
      if (state(server, name) !== wanted) return
      end()
      resolve()
    }
    look()
  })
}
