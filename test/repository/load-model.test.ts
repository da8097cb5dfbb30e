/** A discovered model becomes a loaded one: runtime, scheduling and hooks together, and nothing left behind when one fails. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import type { Model, ModelSpec, Runtime } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import type { DiscoveredModel } from '../../src/repository/discovered-model.ts'
import { discover } from '../../src/repository/layout.ts'
import { entryFor, type RuntimeSource } from '../../src/repository/load-model.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { context, requestWith, responseWith } from '../hooks/calls.ts'
import { picture } from '../hooks/images.ts'
import { directoryWith, type Files } from './directories.ts'
import { fakeModel } from './fake-models.ts'

const classifier = () =>
  fakeModel('classifier', {
    metadata: {
      platform: 'fake',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 3, 1, 2] }],
      outputs: [{ name: 'p', datatype: 'FP32', shape: [-1, 2] }],
    },
  })

interface Scene {
  readonly model?: Model
  readonly loads?: ModelSpec[]
}

function registryOf({ model = classifier(), loads = [] }: Scene): RuntimeSource {
  const runtime = (name: string): Runtime => ({
    api: 1,
    name,
    formats: ['onnx'],
    load: (spec) => {
      loads.push(spec)
      return Promise.resolve(model)
    },
  })
  return {
    forFormat: () => runtime('fake'),
    forName: (name) => {
      if (name === 'mine') return runtime(name)
      throw new InferenceError('failed_precondition', `there is no runtime '${name}'`)
    },
  }
}

async function entryIn(files: Files, scene: Scene = {}) {
  const directory = await directoryWith({ 'm/model.onnx': '', ...files })
  const defaults = { device: 'auto', placement: 'auto', maxQueueSize: 10 } as const
  const [discovered] = await discover(join(directory, 'm'), { formats: ['onnx'], defaults, log: silentLog })
  return entryOf(discovered, scene)
}

function entryOf(discovered: DiscoveredModel | undefined, scene: Scene) {
  if (discovered === undefined) throw new Error('nothing was discovered')
  const scheduled = (model: Model, { ref: { name }, maxQueueSize }: ModelSpec) =>
    schedule({ ...model, concurrency: maxQueueSize }, { name, maxQueueSize })
  return entryFor(discovered, { registry: registryOf(scene), log: silentLog, schedule: scheduled })
}

const never = new AbortController().signal

describe('entryFor', () => {
  it('loads by format and schedules by the spec', async () => {
    const loads: ModelSpec[] = []
    const entry = await entryIn({ 'm/model.yaml': 'limits: {max_queue_size: 7}' }, { loads })
    expect(entry).toMatchObject({ ref: { name: 'm', version: '1' }, runtime: 'fake' })
    const loaded = await entry.load(never)
    expect(loaded.model.concurrency).toBe(7)
    expect(loaded.hooks).toEqual([])
    expect(loads[0]?.format).toBe('onnx')
  })

  it('takes the runtime that model.yaml names', async () => {
    const entry = await entryIn({ 'm/model.yaml': 'runtime: mine' })
    expect(entry.runtime).toBe('mine')
    await entry.load(never)
    const missing = await entryIn({ 'm/model.yaml': 'runtime: theirs' })
    expect(missing.runtime).toBe('theirs')
    await expect(missing.load(never)).rejects.toThrow("there is no runtime 'theirs'")
  })

  it('gives the reason of a model that failed its discovery', async () => {
    const entry = await entryIn({ 'm/model.yaml': 'instances: 0' })
    await expect(entry.load(never)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/model\.yaml:1: 'instances'/) as string,
    })
  })

  it('puts hooks around the model, each made for the signature inside of it', async () => {
    const entry = await entryIn({
      'm/model.yaml': 'labels: labels.txt\nhooks:\n  - ./hooks.mjs\n  - image: {}\n  - labels: {top_k: 1}',
      'm/labels.txt': 'cat\ndog',
      'm/hooks.mjs': `export const postprocess = (response) => ({ ...response, outputs: response.outputs.slice(1, 2) })
        export const outputs = [{ name: 'labels', datatype: 'BYTES', shape: [-1, 1] }]`,
    })
    const repository = new ModelRepository()
    expect(await repository.load(entry)).toMatchObject({ state: 'ready' })
    expect(repository.metadata({ name: 'm' })).toMatchObject({
      inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1] }],
      outputs: [{ name: 'labels', datatype: 'BYTES', shape: [-1, 1] }],
    })
    const { hooks } = await entry.load(never)
    const png = await picture([255, 0, 0, 0, 0, 255]).png().toBuffer()
    let request = requestWith(tensor('image', 'BYTES', [1], [png]))
    for (const hook of hooks) request = (await hook.preprocess?.(request, context())) ?? request
    expect(request.inputs).toEqual([tensor('image', 'FP32', [1, 3, 1, 2], Float32Array.of(255, 0, 0, 0, 0, 255))])
    let response = responseWith(tensor('p', 'FP32', [1, 2], Float32Array.of(0.25, 0.75)))
    for (const hook of hooks.toReversed()) response = (await hook.postprocess?.(response, context())) ?? response
    expect(response.outputs).toEqual([tensor('labels', 'BYTES', [1, 1], [new TextEncoder().encode('dog')])])
  })

  it('closes the model when its hooks cannot be made, and says which and why', async () => {
    const model = classifier()
    const entry = await entryIn({ 'm/model.yaml': 'hooks: ./gone.js' }, { model })
    const repository = new ModelRepository()
    const status = await repository.load(entry)
    expect(status.state).toBe('failed')
    expect(status.reason).toMatch(/^hook: .*gone\.js does not exist$/)
    expect(model.isClosed).toBe(true)
  })
})
