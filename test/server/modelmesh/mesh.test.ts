/** `mmesh.ModelMesh` as its clients call it, over a socket. */
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { ModelRepository } from '../../../src/repository/model-repository.ts'
import { handTimers } from '../../repository/hand-timers.ts'
import { refusal, startMesh } from './mesh-door.ts'

const info = (path: string, type = 'mt:onnx') => ({ type, path, key: '' })
const register = (modelId: string, path = 'm', more = {}) => ({ modelId, modelInfo: info(path), ...more })
const now = { loadNow: true, sync: true }
const status = (of: string) => expect.objectContaining({ status: of }) as object

describe('models', () => {
  it('are registered, loaded when somebody asks, and unregistered', async () => {
    const { ask, infer } = await startMesh()
    expect(await ask('getModelStatus', { modelId: 'a' })).toEqual({
      status: 'NOT_FOUND',
      errors: [],
      modelCopyInfos: [],
    })
    expect(await ask('registerModel', register('a'))).toEqual({ status: 'NOT_LOADED', errors: [], modelCopyInfos: [] })
    expect(await ask('ensureLoaded', { modelId: 'a', sync: true })).toMatchObject({
      status: 'LOADED',
      modelCopyInfos: [{ copyStatus: 'LOADED' }],
    })
    expect(await infer('a')).toBe('a')
    expect(await ask('unregisterModel', { modelId: 'a' })).toEqual({})
    expect(await ask('unregisterModel', { modelId: 'a' })).toEqual({})
    expect(await ask('getModelStatus', { modelId: 'a' })).toEqual(status('NOT_FOUND'))
    expect(await refusal(infer('', { 'mm-model-id': 'a' }))).toEqual(['NOT_FOUND', 'model not found'])
  })

  it('are loaded by their first request', async () => {
    const { ask, infer } = await startMesh()
    await ask('registerModel', register('a'))
    expect(await infer('a')).toBe('a')
    expect(await ask('getModelStatus', { modelId: 'a' })).toEqual(status('LOADED'))
  })

  it('are registered again with the same attributes, and with no others', async () => {
    const { ask } = await startMesh()
    await ask('registerModel', register('a', 'm', now))
    expect(await ask('registerModel', register('a', 'm', now))).toEqual(status('LOADED'))
    expect(await refusal(ask('registerModel', register('a', 'n')))).toEqual([
      'ALREADY_EXISTS',
      'Model already exists with different attribute values',
    ])
  })

  it('need an id and a type', async () => {
    const { ask } = await startMesh()
    for (const method of ['registerModel', 'unregisterModel', 'getModelStatus', 'ensureLoaded']) {
      expect(await refusal(ask(method, {}))).toEqual(['INVALID_ARGUMENT', 'must provide non-empty modelId'])
    }
    const noType = 'Must provide non-empty model type string'
    expect(await refusal(ask('registerModel', { modelId: 'a' }))).toEqual(['INVALID_ARGUMENT', noType])
    expect(await ask('getModelStatus', { modelId: 'a' })).toEqual(status('NOT_FOUND'))
    expect(await refusal(ask('ensureLoaded', { modelId: 'a' }))).toEqual(['NOT_FOUND', 'model not found'])
  })

  it('tell why they failed to load', async () => {
    const { ask, infer } = await startMesh()
    const failed = { status: 'LOADING_FAILED', errors: ['broken/1 is broken'] }
    expect(await ask('registerModel', register('a', 'broken/1', now))).toMatchObject(failed)
    expect(await ask('getModelStatus', { modelId: 'a' })).toMatchObject(failed)
    const [code, text] = await refusal(infer('', { 'mm-model-id': 'a' }))
    expect([code, text]).toEqual(['INTERNAL', expect.stringContaining('broken/1 is broken')])
  })

  it('are loaded while nobody waits, and whoever waits may leave', async () => {
    const { ask, start, release, loads } = await startMesh()
    expect(await ask('registerModel', register('a', 'slow', { loadNow: true }))).toEqual(status('LOADING'))
    const late = ask('ensureLoaded', { modelId: 'a', sync: true }, { deadlineMs: 50 })
    expect((await refusal(late))[0]).toBe('DEADLINE_EXCEEDED')
    const { answer, cancel } = start('ensureLoaded', { modelId: 'a', sync: true })
    cancel()
    expect((await refusal(answer))[0]).toBe('CANCELLED')
    const patient = ask('ensureLoaded', { modelId: 'a', sync: true })
    release()
    expect(await patient).toEqual(status('LOADED'))
    expect(loads).toEqual(['a'])
  })

  it('leave for others in the order of their use, or of what was said of it', async () => {
    const repository = new ModelRepository(silentLog, { budget: { bytes: 3.5 * 2 ** 20 } })
    const { ask } = await startMesh({ repository })
    const hoursAgo = (hours: number) => ({ lastUsedTime: Date.now() - hours * 3_600_000 })
    await ask('registerModel', register('a', 'm', { ...now, ...hoursAgo(2) }))
    await ask('registerModel', register('b', 'm', { ...now, ...hoursAgo(3) }))
    await ask('registerModel', register('c', 'm', now))
    const states = async (...ids: string[]) =>
      Promise.all(ids.map(async (modelId) => (await ask('getModelStatus', { modelId }))['status']))
    expect(await states('a', 'b', 'c')).toEqual(['LOADED', 'LOADED', 'LOADED'])
    await ask('registerModel', register('d', 'm', now))
    expect(await states('a', 'b', 'c', 'd')).toEqual(['LOADED', 'NOT_LOADED', 'LOADED', 'LOADED'])
    await ask('ensureLoaded', { modelId: 'a' })
    await ask('ensureLoaded', { modelId: 'b', sync: true })
    expect(await states('a', 'b', 'c', 'd')).toEqual(['LOADED', 'LOADED', 'NOT_LOADED', 'LOADED'])
  })

  it('are no reason for the server not to be ready', async () => {
    const { ask, repository } = await startMesh()
    await ask('registerModel', register('a', 'broken', now))
    expect(repository.isReady).toBe(true)
  })
})

describe('vmodels', () => {
  it('lead to a model that comes with them, and let go of it for the next', async () => {
    const { ask, infer, closed } = await startMesh()
    const set = (target: string) => ({
      vModelId: 'es',
      targetModelId: target,
      modelInfo: info(target),
      autoDeleteTargetModel: true,
      loadNow: true,
      sync: true,
    })
    expect(await ask('setVModel', set('es_1'))).toMatchObject({
      status: 'DEFINED',
      activeModelId: 'es_1',
      targetModelId: 'es_1',
      activeModelStatus: { status: 'LOADED' },
      targetModelStatus: null,
      owner: '',
    })
    expect(await infer('', { 'mm-vmodel-id': 'es' })).toBe('es_1')
    expect(await infer('es')).toBe('es_1')
    expect(await ask('setVModel', set('es_2'))).toMatchObject({ status: 'DEFINED', activeModelId: 'es_2' })
    expect(await infer('es')).toBe('es_2')
    expect(await ask('getModelStatus', { modelId: 'es_1' })).toEqual(status('NOT_FOUND'))
    expect(closed).toEqual(['es_1'])
    expect(await ask('deleteVModel', { vModelId: 'es' })).toEqual({})
    expect(await ask('getModelStatus', { modelId: 'es_2' })).toEqual(status('NOT_FOUND'))
    expect(await ask('getVModelStatus', { vModelId: 'es' })).toMatchObject({
      status: 'NOT_FOUND',
      activeModelId: '',
      targetModelId: '',
    })
    expect(await refusal(infer('', { 'mm-vmodel-id': 'es' }))).toEqual(['NOT_FOUND', 'vmodel not found'])
  })

  it('stay with their model until the next is loaded', async () => {
    const { ask, infer, release } = await startMesh()
    await ask('registerModel', register('es_1', 'm', now))
    await ask('registerModel', register('es_2', 'slow'))
    await ask('setVModel', { vModelId: 'es', targetModelId: 'es_1' })
    expect(await ask('setVModel', { vModelId: 'es', targetModelId: 'es_2' })).toMatchObject({
      status: 'TRANSITIONING',
      activeModelId: 'es_1',
      targetModelId: 'es_2',
      activeModelStatus: { status: 'LOADED' },
      targetModelStatus: { status: 'LOADING' },
    })
    expect(await infer('es')).toBe('es_1')
    expect(await refusal(ask('unregisterModel', { modelId: 'es_1' }))).toEqual([
      'FAILED_PRECONDITION',
      'Model es_1 has referents',
    ])
    const late = ask('setVModel', { vModelId: 'es', targetModelId: 'es_2', sync: true }, { deadlineMs: 50 })
    expect((await refusal(late))[0]).toBe('DEADLINE_EXCEEDED')
    const patient = ask('setVModel', { vModelId: 'es', targetModelId: 'es_2', sync: true })
    release()
    expect(await patient).toMatchObject({ status: 'DEFINED', activeModelId: 'es_2' })
    expect(await infer('es')).toBe('es_2')
    expect(await ask('unregisterModel', { modelId: 'es_1' })).toEqual({})
  })

  it('stay with their model where the next fails, and try that again', async () => {
    const timers = handTimers()
    const { ask, infer, repair } = await startMesh({ timers })
    await ask('registerModel', register('es_1', 'm', now))
    await ask('setVModel', { vModelId: 'es', targetModelId: 'es_1' })
    const failed = {
      status: 'TRANSITION_FAILED',
      activeModelId: 'es_1',
      targetModelStatus: { status: 'LOADING_FAILED' },
    }
    const set = { vModelId: 'es', targetModelId: 'es_2', modelInfo: info('broken'), sync: true }
    expect(await ask('setVModel', set)).toMatchObject(failed)
    expect(await ask('getVModelStatus', { vModelId: 'es' })).toMatchObject(failed)
    expect(await infer('es')).toBe('es_1')
    repair()
    timers.pass(15_000)
    await expect.poll(() => infer('es')).toBe('es_2')
    expect(await ask('getVModelStatus', { vModelId: 'es' })).toMatchObject({ status: 'DEFINED' })
  })

  it('switch at once where they are told to', async () => {
    const { ask } = await startMesh()
    await ask('registerModel', register('es_1', 'm', now))
    await ask('setVModel', { vModelId: 'es', targetModelId: 'es_1' })
    const set = { vModelId: 'es', targetModelId: 'es_2', modelInfo: info('slow'), force: true }
    expect(await ask('setVModel', set)).toMatchObject({
      status: 'DEFINED',
      activeModelId: 'es_2',
      activeModelStatus: { status: 'LOADING' },
    })
  })

  it('are changed only by who knows what they are, and by their owner', async () => {
    const { ask } = await startMesh()
    for (const id of ['es_1', 'es_2']) await ask('registerModel', register(id))
    const set = (more: object) => ask('setVModel', { vModelId: 'es', targetModelId: 'es_2', ...more })
    expect(await refusal(set({ updateOnly: true }))).toEqual(['NOT_FOUND', 'vmodel es not found'])
    await set({ targetModelId: 'es_1', expectedTargetModelId: 'es_1', owner: 'ada' })
    expect(await refusal(set({ expectedTargetModelId: 'es_3' }))).toEqual([
      'FAILED_PRECONDITION',
      'Existing target model es_1 does not match expected es_3',
    ])
    expect(await refusal(set({ owner: 'eve' }))).toEqual([
      'ALREADY_EXISTS',
      'vmodel es already exists with different owner "ada"',
    ])
    expect(await refusal(set({ targetModelId: 'es_9' }))).toEqual(['NOT_FOUND', 'Target model es_9 not found'])
    expect(await refusal(set({ modelInfo: info('other') }))).toEqual([
      'ALREADY_EXISTS',
      'Target model es_2 already exists with different attribute values',
    ])
    expect(await refusal(set({ vModelId: '' }))).toEqual(['INVALID_ARGUMENT', 'Must provide vModelId'])
    expect(await refusal(set({ targetModelId: '' }))).toEqual([
      'INVALID_ARGUMENT',
      'Must provide target modelId for vmodel es',
    ])
    expect(await ask('getVModelStatus', { vModelId: 'es', owner: 'eve' })).toEqual(status('NOT_FOUND'))
    expect(await ask('deleteVModel', { vModelId: 'es', owner: 'eve' })).toEqual({})
    expect(await ask('getVModelStatus', { vModelId: 'es', owner: 'ada' })).toMatchObject({
      status: 'DEFINED',
      owner: 'ada',
      activeModelId: 'es_1',
    })
  })

  it('may have the name of a model', async () => {
    const { ask, infer } = await startMesh()
    await ask('registerModel', register('es'))
    await ask('setVModel', { vModelId: 'es', targetModelId: 'es_1', modelInfo: info('m') })
    expect(await infer('es')).toBe('es')
    expect(await infer('', { 'mm-model-id': 'es' })).toBe('es')
    expect(await infer('', { 'mm-vmodel-id': 'es' })).toBe('es_1')
  })
})

describe('metadata', () => {
  it('names one model, as text or bytes', async () => {
    const { ask, infer } = await startMesh()
    await ask('registerModel', register('naïve'))
    await ask('setVModel', { vModelId: 'v', targetModelId: 'naïve' })
    expect(await infer('another', { 'mm-model-id-bin': Buffer.from('naïve') })).toBe('naïve')
    expect(await infer('another', { 'mm-vmodel-id-bin': Buffer.from('v') })).toBe('naïve')
    expect(await refusal(infer('', { 'mm-model-id': 'a', 'mm-vmodel-id': 'v' }))).toEqual([
      'INVALID_ARGUMENT',
      'must include only one of model id and vmodel id',
    ])
    expect(await refusal(infer('', { 'mm-model-id': '' }))).toEqual([
      'INVALID_ARGUMENT',
      'provided model-id header must be non-empty',
    ])
    expect(await refusal(infer('', { 'mm-model-id': 'v' }))).toEqual(['NOT_FOUND', 'model not found'])
  })
})

describe('a vmodel under traffic', () => {
  it('is switched 50 times: of 1,000 at a time no request fails, none is answered by a model that was unloaded', async () => {
    const { mesh, ask, infer, call, closed } = await startMesh()
    const set = (number: number) =>
      ask('setVModel', {
        vModelId: 'es',
        targetModelId: `es_${number}`,
        modelInfo: info('m'),
        autoDeleteTargetModel: true,
        loadNow: true,
        sync: true,
      })
    await set(0)
    const answers = new Set<string>()
    const repeat = async (request: () => Promise<string>): Promise<void> => {
      do answers.add(await request())
      while (closed.length < 50)
    }
    const clients = [
      ...Array.from({ length: 900 }, () => repeat(() => call('es'))),
      ...Array.from({ length: 80 }, () => repeat(() => call(mesh.nameOf({ kind: 'vmodel', id: 'es' })))),
      ...Array.from({ length: 10 }, () => repeat(() => infer('es'))),
      ...Array.from({ length: 10 }, () => repeat(() => infer('', { 'mm-vmodel-id': 'es' }))),
    ]
    for (let number = 1; number <= 50; number += 1) {
      expect(await set(number)).toMatchObject({ status: 'DEFINED', activeModelId: `es_${number}` })
    }
    await Promise.all(clients)
    expect([...answers].filter((answer) => !/^es_\d+$/.test(answer))).toEqual([])
    expect(answers.size).toBeGreaterThan(10)
    expect(closed).toHaveLength(50)
  })
})
