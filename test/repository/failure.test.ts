/** A model that is ready and then breaks for good. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { Model } from '../../src/core/model.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import type { FakeModel } from './fake-models.ts'
import { deferred, fakeEntry, fakeModel } from './fake-models.ts'

/** Breaks when told to. */
function fragile(label = 'a'): { model: FakeModel; breaks: () => void } {
  let listener: ((reason: Error) => void) | undefined
  const parts: Partial<Model> = { onFailure: (told) => void (listener = told) }
  const breaks = (): void => listener?.(new InferenceError('unavailable', 'its process ended 5 times in a row'))
  return { model: fakeModel(label, parts), breaks }
}

/** Lets every promise that can settle do so. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('a model that breaks after it was ready', () => {
  it('fails with its reason, is closed after its last lease, and lives again after a load', async () => {
    const repository = new ModelRepository()
    const { model, breaks } = fragile()
    const entry = fakeEntry('m', '1', model)
    repository.announce(entry)
    await repository.load(entry)
    const lease = deferred()
    const running = repository.use({ name: 'm' }, () => lease.promise)
    breaks()
    expect(repository.status({ name: 'm' })).toMatchObject({ state: 'failed', reason: /5 times/ })
    expect(repository.isReady).toBe(false)
    const message = 'Model with name m is not ready. Version 1 failed: its process ended 5 times in a row'
    await expect(repository.use({ name: 'm' }, settled)).rejects.toMatchObject({ code: 'unavailable', message })
    expect(model.isClosed).toBe(false)
    lease.resolve()
    await running
    await settled()
    expect(model.isClosed).toBe(true)
    expect(await repository.load(fakeEntry('m', '1'))).toMatchObject({ state: 'ready' })
    expect(repository.isReady).toBe(true)
  })

  it('leaves its older version to answer', async () => {
    const repository = new ModelRepository()
    const { model, breaks } = fragile()
    await repository.load(fakeEntry('m', '1'))
    await repository.load(fakeEntry('m', '2', model))
    breaks()
    expect(await repository.use({ name: 'm' }, (handle) => Promise.resolve(handle.ref.version))).toBe('1')
  })

  it('does not fail what replaced it', async () => {
    const repository = new ModelRepository()
    const { model, breaks } = fragile()
    await repository.load(fakeEntry('m', '1', model))
    await repository.load(fakeEntry('m', '1', fakeModel('b')))
    breaks()
    expect(repository.status({ name: 'm' }).state).toBe('ready')
  })

  it('fails at once where it broke before anybody listened', async () => {
    const repository = new ModelRepository()
    const broken = fakeModel('a', { onFailure: (told) => told(new Error('broke while it warmed up')) })
    expect(await repository.load(fakeEntry('m', '1', broken))).toMatchObject({ state: 'failed', reason: /warmed up/ })
  })
})
