/** KServe's agent beside the server: it follows models.json, downloads models into the served directory, and has them loaded. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'
import { FileServer } from '../storage/file-server.ts'

const iris = readFileSync(join(samples, 'iris', '1', 'model.onnx'))
const digits = readFileSync(join(samples, 'digits', 'model.onnx'))

/** What a TrainedModel becomes in the ConfigMap of its InferenceService. */
interface ListedModel {
  readonly modelName: string
  readonly modelSpec: { readonly storageUri: string; readonly framework: string; readonly memory: string }
}

function listed(modelName: string, storageUri: string): ListedModel {
  return { modelName, modelSpec: { storageUri, framework: 'onnx', memory: '256Mi' } }
}

/** A mounted ConfigMap: `models.json` leads through `..data` to a directory that is replaced as a whole. */
class ConfigMap {
  readonly directory: string
  #generation = 0

  constructor(directory: string) {
    this.directory = directory
  }

  async write(models: readonly ListedModel[]): Promise<void> {
    this.#generation += 1
    const name = `..generation_${this.#generation}`
    await mkdir(join(this.directory, name))
    await writeFile(join(this.directory, name, 'models.json'), JSON.stringify(models))
    await symlink(name, join(this.directory, '..data_tmp'))
    await rename(join(this.directory, '..data_tmp'), join(this.directory, '..data'))
    if (this.#generation === 1) await symlink('..data/models.json', join(this.directory, 'models.json'))
  }
}

/** The puller of the agent: its order of steps, its marker files, its two requests. */
class Agent {
  readonly #http: string
  readonly #config: string
  readonly #models: string
  #known: readonly ListedModel[] = []

  constructor(http: string, config: string, models: string) {
    this.#http = http
    this.#config = config
    this.#models = models
  }

  /** After a change of the ConfigMap. @returns the status of each request by verb and model; nothing is tried again */
  async sync(): Promise<readonly string[]> {
    const wanted = JSON.parse(await readFile(join(this.#config, 'models.json'), 'utf8')) as readonly ListedModel[]
    const isIn = (models: readonly ListedModel[], model: ListedModel) =>
      models.some((each) => JSON.stringify(each) === JSON.stringify(model))
    const removed = this.#known.filter((known) => !wanted.some(({ modelName }) => modelName === known.modelName))
    const added = wanted.filter((model) => !isIn(this.#known, model))
    this.#known = wanted
    const told: string[] = []
    for (const { modelName } of removed) {
      await rm(join(this.#models, modelName), { recursive: true })
      told.push(await this.#ask(modelName, 'unload'))
    }
    for (const model of added) told.push(await this.bring(model))
    return told
  }

  async bring(model: ListedModel): Promise<string> {
    await this.#download(model)
    return this.#ask(model.modelName, 'load')
  }

  async #download({ modelName, modelSpec }: ListedModel): Promise<void> {
    const directory = join(this.#models, modelName)
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    const response = await fetch(modelSpec.storageUri)
    await writeFile(join(directory, basename(modelSpec.storageUri)), Buffer.from(await response.arrayBuffer()))
    const spec = createHash('sha256').update(JSON.stringify(modelSpec)).digest('hex')
    await writeFile(join(directory, `SUCCESS.${spec}`), '')
  }

  async #ask(model: string, verb: 'load' | 'unload'): Promise<string> {
    const response = await fetch(`${this.#http}/v2/repository/models/${model}/${verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    await response.arrayBuffer()
    return `${verb} ${model} ${response.status}`
  }
}

/** A pod: the server on an empty directory, its agent, a ConfigMap and a store. */
async function pod() {
  const store = new FileServer()
  const origin = await store.listen()
  onTestFinished(() => store.close())
  const models = await directoryWith({})
  const configMap = new ConfigMap(await directoryWith({}))
  const server = await createServer({
    ...{ models, httpPort: 0, enableGrpc: false, log: silentLog, drainSeconds: 1 },
  })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  const status = async (path: string) => {
    const response = await fetch(`${http}${path}`)
    await response.arrayBuffer()
    return response.status
  }
  return { store, origin, models, configMap, status, http, agent: new Agent(http, configMap.directory, models) }
}

describe("KServe's agent", () => {
  it('finds a server ready that has no model yet', async () => {
    const { status } = await pod()
    expect(await status('/v2/health/ready')).toBe(200)
    expect(await status('/v1/models')).toBe(200)
  })

  it('has models loaded and unloaded as models.json lists them', async () => {
    const { agent, configMap, origin, status, store, http } = await pod()
    store.put('/iris/model.onnx', iris)
    store.put('/digits.onnx', digits)
    const [first, second] = [listed('flowers', `${origin}/iris/model.onnx`), listed('digits', `${origin}/digits.onnx`)]
    await configMap.write([first])
    expect(await agent.sync()).toEqual(['load flowers 200'])
    const body = JSON.stringify({ instances: [[5.1, 3.5, 1.4, 0.2]] })
    const predicted = await fetch(`${http}/v1/models/flowers:predict`, { method: 'POST', body })
    expect(predicted.status).toBe(200)
    expect(await predicted.json()).toHaveProperty('predictions')

    await configMap.write([first, second])
    expect(await agent.sync()).toEqual(['load digits 200'])
    expect(await status('/v2/models/digits/ready')).toBe(200)
    expect(await status('/v2/models/flowers/ready')).toBe(200)

    await configMap.write([second])
    expect(await agent.sync()).toEqual(['unload flowers 200'])
    expect(await status('/v2/models/flowers/ready')).not.toBe(200)
    expect(await status('/v2/models/digits/ready')).toBe(200)
    expect(await status('/v2/health/ready')).toBe(200)

    await configMap.write([first, second])
    expect(await agent.sync()).toEqual(['load flowers 200'])
    expect(await status('/v2/models/flowers/ready')).toBe(200)
  })

  it('brings another file for a model, which answers from then on', async () => {
    const { agent, configMap, origin, store, http } = await pod()
    store.put('/one.onnx', iris)
    store.put('/two.onnx', digits)
    const metadata = async (): Promise<unknown> => (await fetch(`${http}/v2/models/m`)).json()
    await configMap.write([listed('m', `${origin}/one.onnx`)])
    expect(await agent.sync()).toEqual(['load m 200'])
    expect(await metadata()).toMatchObject({ inputs: [{ shape: [-1, 4] }] })
    await configMap.write([listed('m', `${origin}/two.onnx`)])
    expect(await agent.sync()).toEqual(['load m 200'])
    expect(await metadata()).not.toMatchObject({ inputs: [{ shape: [-1, 4] }] })
  })

  it('brings many models at once, as its workers do', async () => {
    const { agent, origin, status, store } = await pod()
    store.put('/iris.onnx', iris)
    const names = ['m0', 'm1', 'm2', 'm3', 'm4']
    const told = await Promise.all(names.map((name) => agent.bring(listed(name, `${origin}/iris.onnx`))))
    expect(told).toEqual(names.map((name) => `load ${name} 200`))
    for (const name of names) expect(await status(`/v2/models/${name}/ready`)).toBe(200)
  })

  it('brings another file for a model, and what serves goes on where that one is broken', async () => {
    const { agent, configMap, origin, status, store } = await pod()
    store.put('/good.onnx', iris)
    store.put('/bad.onnx', Buffer.from('no model'))
    await configMap.write([listed('flowers', `${origin}/good.onnx`)])
    expect(await agent.sync()).toEqual(['load flowers 200'])
    await configMap.write([listed('flowers', `${origin}/bad.onnx`)])
    expect(await agent.sync()).toEqual(['load flowers 400'])
    expect(await status('/v2/models/flowers/ready')).toBe(200)
    expect(await status('/v2/health/ready')).toBe(200)
  })

  it('is told of a model whose files hold none', async () => {
    const { agent, configMap, origin, status, store } = await pod()
    store.put('/note.txt', Buffer.from('x'))
    await configMap.write([listed('notes', `${origin}/note.txt`)])
    const [told] = await agent.sync()
    expect(told).toMatch(/^load notes 4\d\d$/)
    expect(await status('/v2/health/ready')).toBe(200)
  })
})
