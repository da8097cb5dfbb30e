/** States, versions, leases, reloads and unloads of the repository. */
import { describe, expect, it } from 'vitest'
import type { LogFields } from '../../src/core/log.ts'
import { silentLog } from '../../src/core/log.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import type { ModelHandle } from '../../src/repository/repository.ts'
import { deferred, fakeEntry, fakeModel } from './fake-models.ts'

const nameOf = (handle: ModelHandle) => Promise.resolve(`${handle.ref.name}/${handle.ref.version}`)
const failing = (text: string) => () => Promise.reject(new Error(text))
/** Lets every promise that can settle do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('versions', () => {
  it('answers with the highest version by number, and with each one by name', async () => {
    const repository = new ModelRepository()
    for (const version of ['9', '10', '2']) await repository.load(fakeEntry('m', version))
    expect(await repository.use({ name: 'm' }, nameOf)).toBe('m/10')
    expect(await repository.use({ name: 'm', version: '2' }, nameOf)).toBe('m/2')
    expect(repository.metadata({ name: 'm' }).versions).toEqual(['2', '9', '10'])
    expect(repository.metadata({ name: 'm', version: '9' }).versions).toEqual(['9'])
    expect(repository.list().map(({ ref }) => ref.version)).toEqual(['2', '9', '10'])
  })

  it('orders versions that are no numbers naturally, and numbers beyond 2^53 exactly', async () => {
    const repository = new ModelRepository()
    for (const version of ['v10', 'v9']) await repository.load(fakeEntry('named', version))
    expect(await repository.use({ name: 'named' }, nameOf)).toBe('named/v10')
    for (const version of ['9007199254740993', '9007199254740992']) await repository.load(fakeEntry('long', version))
    expect(await repository.use({ name: 'long' }, nameOf)).toBe('long/9007199254740993')
  })

  it('does not hide a ready version behind a newer one that fails or loads', async () => {
    const repository = new ModelRepository()
    await repository.load(fakeEntry('m', '1'))
    const second = fakeEntry('m', '2', failing('broken file'))
    repository.announce(second)
    await repository.load(second)
    const gate = deferred<ReturnType<typeof fakeModel>>()
    const third = repository.load(fakeEntry('m', '3', () => gate.promise))
    expect(await repository.use({ name: 'm' }, nameOf)).toBe('m/1')
    expect(repository.isReady).toBe(false)
    gate.resolve(fakeModel())
    await third
    expect(await repository.use({ name: 'm' }, nameOf)).toBe('m/3')
    await repository.unload({ name: 'm', version: '3' })
    expect(await repository.use({ name: 'm' }, nameOf)).toBe('m/1')
  })
})

describe('refusals', () => {
  it('knows no model', async () => {
    const repository = new ModelRepository()
    const expected = { code: 'not_found', message: 'Model with name X does not exist.' }
    await expect(repository.use({ name: 'X' }, nameOf)).rejects.toMatchObject(expected)
    expect(() => repository.metadata({ name: 'X' })).toThrow(expect.objectContaining(expected))
    expect(() => repository.status({ name: 'X' })).toThrow(expect.objectContaining(expected))
    await expect(repository.unload({ name: 'X' })).rejects.toMatchObject(expected)
  })

  it('knows the model but not the version', async () => {
    const repository = new ModelRepository()
    await repository.load(fakeEntry('X', '1'))
    const expected = { code: 'not_found', message: "Request for unknown model: 'X' version 99 is not found" }
    await expect(repository.use({ name: 'X', version: '99' }, nameOf)).rejects.toMatchObject(expected)
    expect(() => repository.status({ name: 'X', version: '99' })).toThrow(expect.objectContaining(expected))
  })

  it('says what a model that is not ready waits for or failed with', async () => {
    const repository = new ModelRepository()
    const gate = deferred<ReturnType<typeof fakeModel>>()
    const loading = repository.load(fakeEntry('X', '1', () => gate.promise))
    await expect(repository.use({ name: 'X' }, nameOf)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Model with name X is not ready. Version 1 is loading.',
    })
    gate.reject(new Error('opset 99 is not known'))
    expect(await loading).toMatchObject({ state: 'failed', reason: 'opset 99 is not known' })
    await expect(repository.use({ name: 'X' }, nameOf)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Model with name X is not ready. Version 1 failed to load: opset 99 is not known',
    })
    expect(repository.status({ name: 'X' })).toMatchObject({ state: 'failed', runtime: 'fake', memoryBytes: 0 })
  })

  it('tells an unloaded model from an unknown one', async () => {
    const repository = new ModelRepository()
    await repository.load(fakeEntry('X', '1'))
    await repository.unload({ name: 'X' })
    expect(repository.status({ name: 'X' })).toMatchObject({ state: 'unloaded', reason: 'unloaded' })
    await expect(repository.use({ name: 'X' }, nameOf)).rejects.toMatchObject({
      code: 'not_found',
      message: "Request for unknown model: 'X' has no available versions",
    })
    await expect(repository.use({ name: 'X', version: '1' }, nameOf)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('does not take names of object members for models', async () => {
    const repository = new ModelRepository()
    await expect(repository.use({ name: '__proto__' }, nameOf)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('readiness', () => {
  it('is there without models, and when every model asked for is ready', async () => {
    const repository = new ModelRepository()
    expect(repository.isReady).toBe(true)
    const load = repository.load(fakeEntry('a', '1'))
    expect(repository.isReady).toBe(false)
    await load
    expect(repository.isReady).toBe(true)
    await repository.load(fakeEntry('b', '1', failing('no')))
    expect(repository.isReady).toBe(false)
    await repository.unload({ name: 'b' })
    expect(repository.isReady).toBe(true)
  })

  it('is not lost while a version that came later loads, or where it fails', async () => {
    const repository = new ModelRepository()
    const first = fakeEntry('a', '1')
    repository.announce(first)
    expect(repository.isReady).toBe(false)
    await repository.load(first)
    const later = repository.load(fakeEntry('a', '2', failing('no')))
    expect(repository.isReady).toBe(true)
    await later
    expect(repository.isReady).toBe(true)
    await repository.load(fakeEntry('b', '1', failing('no')))
    expect(repository.isReady).toBe(false)
  })
})

describe('loads', () => {
  it('runs two at once and says what the others wait for', async () => {
    const repository = new ModelRepository()
    const gates = [1, 2, 3].map(() => deferred<ReturnType<typeof fakeModel>>())
    let running = 0
    const loads = gates.map((gate, index) =>
      repository.load(
        fakeEntry(`m${index}`, '1', () => {
          running += 1
          return gate.promise
        }),
      ),
    )
    await settled()
    expect(running).toBe(2)
    expect(repository.status({ name: 'm2' })).toMatchObject({ state: 'loading', reason: 'waiting for its turn' })
    gates[0]?.resolve(fakeModel())
    await settled()
    expect(running).toBe(3)
    for (const gate of gates) gate.resolve(fakeModel())
    expect((await Promise.all(loads)).map(({ state }) => state)).toEqual(['ready', 'ready', 'ready'])
  })

  it('loads an entry once for everybody who asks meanwhile', async () => {
    const repository = new ModelRepository()
    let loads = 0
    const entry = fakeEntry('m', '1', () => {
      loads += 1
      return Promise.resolve(fakeModel())
    })
    const [first, second] = await Promise.all([repository.load(entry), repository.load(entry)])
    expect(loads).toBe(1)
    expect(first).toEqual(second)
  })

  it('records time, memory, device and placement', async () => {
    const lines: (readonly [string, LogFields])[] = []
    const repository = new ModelRepository({ ...silentLog, info: (fields, message) => lines.push([message, fields]) })
    const status = await repository.load(fakeEntry('m', '1'))
    expect(status).toMatchObject({ state: 'ready', memoryBytes: 100 })
    expect(status.loadMs).toBeGreaterThanOrEqual(0)
    expect(lines).toEqual([
      [
        'model loaded',
        expect.objectContaining({ model: 'm', version: '1', device: 'cpu', placement: 'inline', memoryBytes: 100 }),
      ],
    ])
  })

  it('ends with the signal of the caller', async () => {
    const repository = new ModelRepository()
    const controller = new AbortController()
    const load = repository.load(
      fakeEntry(
        'm',
        '1',
        (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped')))),
      ),
      controller.signal,
    )
    await settled()
    controller.abort()
    expect(await load).toMatchObject({ state: 'failed', reason: 'stopped' })
  })

  it('tells listeners of every change until they leave', async () => {
    const repository = new ModelRepository()
    const states: string[] = []
    const leave = repository.onChange(({ ref, state }) => states.push(`${ref.version} ${state}`))
    await repository.load(fakeEntry('m', '1'))
    await repository.unload({ name: 'm' })
    leave()
    await repository.load(fakeEntry('m', '1'))
    expect(states).toEqual(['1 loading', '1 loading', '1 ready', '1 unloading', '1 unloaded'])
  })
})

describe('leases', () => {
  it('lets running calls end before a model is closed, and refuses new ones meanwhile', async () => {
    const repository = new ModelRepository()
    const model = fakeModel()
    await repository.load(fakeEntry('m', '1', model))
    const gate = deferred()
    const call = repository.use({ name: 'm' }, async () => {
      await gate.promise
      return model.isClosed
    })
    const unload = repository.unload({ name: 'm' })
    await settled()
    expect(repository.status({ name: 'm' }).state).toBe('unloading')
    expect(model.isClosed).toBe(false)
    await expect(repository.use({ name: 'm' }, nameOf)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Model with name m is not ready. Version 1 is unloading.',
    })
    gate.resolve()
    expect(await call).toBe(false)
    await unload
    expect(model.isClosed).toBe(true)
    expect(repository.status({ name: 'm' }).state).toBe('unloaded')
  })

  it('gives a lease back when the work throws', async () => {
    const repository = new ModelRepository()
    await repository.load(fakeEntry('m', '1'))
    await expect(repository.use({ name: 'm' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    await expect(
      repository.use({ name: 'm' }, () => {
        throw new Error('at once')
      }),
    ).rejects.toThrow('at once')
    await repository.unload({ name: 'm' })
  })
})

describe('reload', () => {
  it('fails no call: the new instance serves before the old one is drained and closed', async () => {
    const repository = new ModelRepository()
    const [old, fresh] = [fakeModel('old'), fakeModel('new')]
    const labelOf = ({ model }: ModelHandle) => Promise.resolve('label' in model ? model.label : '')
    await repository.load(fakeEntry('m', '1', old))
    const running = deferred()
    const call = repository.use({ name: 'm' }, () => running.promise)
    const gate = deferred<typeof fresh>()
    const reload = repository.load(fakeEntry('m', '1', () => gate.promise))
    await settled()
    expect(repository.isReady).toBe(true)
    expect(await repository.use({ name: 'm' }, labelOf)).toBe('old')
    gate.resolve(fresh)
    expect(await reload).toMatchObject({ state: 'ready' })
    expect(await repository.use({ name: 'm' }, labelOf)).toBe('new')
    expect(old.isClosed).toBe(false)
    running.resolve()
    await call
    await settled()
    expect([old.isClosed, fresh.isClosed]).toEqual([true, false])
  })

  it('keeps the old instance where the new one fails, and says so until a load works', async () => {
    const repository = new ModelRepository()
    const old = fakeModel()
    await repository.load(fakeEntry('m', '1', old))
    expect(await repository.load(fakeEntry('m', '1', failing('bad file')))).toMatchObject({
      state: 'ready',
      reason: 'bad file',
    })
    expect(old.isClosed).toBe(false)
    expect(await repository.use({ name: 'm' }, nameOf)).toBe('m/1')
    const status = await repository.load(fakeEntry('m', '1'))
    expect(status.state).toBe('ready')
    expect(status.reason).toBeUndefined()
  })

  it('ends with the entry asked for last', async () => {
    const repository = new ModelRepository()
    const models = [fakeModel('a'), fakeModel('b'), fakeModel('c')]
    await Promise.all(models.map((model) => repository.load(fakeEntry('m', '1', model))))
    const last = await repository.use({ name: 'm' }, ({ model }) => Promise.resolve(model))
    expect(last).toBe(models[2])
    await settled()
    expect(models.map(({ isClosed }) => isClosed)).toEqual([true, true, false])
  })
})

describe('unload', () => {
  it('ends a load under way, and closes what that load gives all the same', async () => {
    const repository = new ModelRepository()
    const gate = deferred<ReturnType<typeof fakeModel>>()
    const late = fakeModel()
    let signal: AbortSignal | undefined
    const load = repository.load(
      fakeEntry('m', '1', (given) => {
        signal = given
        return gate.promise
      }),
    )
    await settled()
    const unload = repository.unload({ name: 'm' })
    expect(signal?.aborted).toBe(true)
    gate.resolve(late)
    await Promise.all([load, unload])
    expect(late.isClosed).toBe(true)
    expect(repository.status({ name: 'm' }).state).toBe('unloaded')
  })

  it('lets a load asked for afterwards wait and win', async () => {
    const repository = new ModelRepository()
    const [first, second] = [fakeModel('first'), fakeModel('second')]
    await repository.load(fakeEntry('m', '1', first))
    const gate = deferred()
    const call = repository.use({ name: 'm' }, () => gate.promise)
    const unload = repository.unload({ name: 'm' })
    const load = repository.load(fakeEntry('m', '1', second))
    await settled()
    expect(repository.status({ name: 'm' }).state).toBe('loading')
    gate.resolve()
    await Promise.all([call, unload, load])
    expect(first.isClosed).toBe(true)
    expect(repository.status({ name: 'm' }).state).toBe('ready')
    expect(await repository.use({ name: 'm' }, ({ model }) => Promise.resolve(model))).toBe(second)
  })

  it('forgets a load that was cut off, in favour of the one asked for after it', async () => {
    const repository = new ModelRepository()
    const states: string[] = []
    repository.onChange(({ state }) => states.push(state))
    const cut = repository.load(
      fakeEntry(
        'm',
        '1',
        (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cut')))),
      ),
    )
    await settled()
    const unload = repository.unload({ name: 'm' })
    const again = repository.load(fakeEntry('m', '1'))
    await Promise.all([cut, unload, again])
    expect(states).not.toContain('failed')
    expect(repository.status({ name: 'm' }).state).toBe('ready')
  })

  it('is unloaded even where closing fails', async () => {
    const repository = new ModelRepository()
    await repository.load(fakeEntry('m', '1', fakeModel('a', { close: () => Promise.reject(new Error('stuck')) })))
    await repository.unload({ name: 'm' })
    expect(repository.status({ name: 'm' }).state).toBe('unloaded')
  })
})

describe('close', () => {
  it('drains and closes every model and loads no more', async () => {
    const repository = new ModelRepository()
    const models = [fakeModel(), fakeModel()]
    await Promise.all(models.map((model, index) => repository.load(fakeEntry(`m${index}`, '1', model))))
    const gate = deferred()
    const call = repository.use({ name: 'm0' }, () => gate.promise)
    let isDone = false
    const close = repository.close().then(() => (isDone = true))
    await settled()
    expect(isDone).toBe(false)
    gate.resolve()
    await Promise.all([call, close])
    expect(models.every(({ isClosed }) => isClosed)).toBe(true)
    await expect(repository.load(fakeEntry('x', '1'))).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('waits for an instance that a reload has replaced', async () => {
    const repository = new ModelRepository()
    const old = fakeModel()
    await repository.load(fakeEntry('m', '1', old))
    const gate = deferred()
    const call = repository.use({ name: 'm' }, () => gate.promise)
    await repository.load(fakeEntry('m', '1'))
    const close = repository.close()
    gate.resolve()
    await Promise.all([call, close])
    expect(old.isClosed).toBe(true)
  })
})

describe('metadata', () => {
  it('shows the signature outside the hooks, the first declared one being outermost', async () => {
    const repository = new ModelRepository()
    const tensor = (name: string) => [{ name, datatype: 'BYTES' as const, shape: [-1] }]
    const hooks = [
      { outputs: tensor('outer') },
      { inputs: tensor('image'), outputs: tensor('inner') },
      { inputs: tensor('no') },
    ]
    await repository.load(fakeEntry('m', '1', fakeModel(), hooks))
    const metadata = repository.metadata({ name: 'm' })
    expect(metadata).toMatchObject({ platform: 'fake', hasExplainer: false, ref: { name: 'm', version: '1' } })
    expect(metadata.inputs).toEqual(tensor('image'))
    expect(metadata.outputs).toEqual(tensor('outer'))
    expect(repository.metadata({ name: 'm' })).toBe(metadata)
  })
})
