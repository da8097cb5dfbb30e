/** Revisions of a model: they load beside each other and share the requests for one name. */
import { describe, expect, it } from 'vitest'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import type { ModelHandle } from '../../src/repository/repository.ts'
import { deferred, fakeEntry, fakeModel } from './fake-models.ts'

const labelOf = ({ model }: ModelHandle) => Promise.resolve(model.metadata.platform)

function revision(number: number, load?: Parameters<typeof fakeEntry>[2]) {
  const platform = `r${number}`
  const own = fakeModel('a', { metadata: { ...fakeModel().metadata, platform } })
  return { ...fakeEntry('m', '1', load ?? own), revision: platform }
}

async function asked(repository: ModelRepository, requests: number, name = 'm') {
  const counts: Record<string, number> = {}
  for (let index = 0; index < requests; index++) {
    const label = String(await repository.use({ name }, labelOf))
    counts[label] = (counts[label] ?? 0) + 1
  }
  return counts
}

async function two(): Promise<ModelRepository> {
  const repository = new ModelRepository()
  await repository.load(revision(1))
  await repository.load(revision(2))
  return repository
}

describe('revisions of a model', () => {
  it('leave all requests to the first one until they are routed', async () => {
    const repository = await two()
    expect(await asked(repository, 10)).toEqual({ r1: 10 })
    expect(repository.list().map(({ revision: one }) => one)).toEqual(['r1'])
    expect(await asked(repository, 3, 'r2')).toEqual({ r2: 3 })
  })

  it.each([1, 20, 50, 99])(
    'take %i %% of 1,000 requests within one point, and of every hundred within two',
    async (percent) => {
      const repository = await two()
      repository.route('m', [
        { revision: 'r1', percent: 100 - percent },
        { revision: 'r2', percent },
      ])
      let sum = 0
      for (let round = 0; round < 10; round++) {
        const { r2 = 0 } = await asked(repository, 100)
        expect(Math.abs(r2 - percent)).toBeLessThanOrEqual(2)
        sum += r2
      }
      expect(Math.abs(sum / 10 - percent)).toBeLessThanOrEqual(1)
      expect(repository.revisionCounts()).toMatchObject([{ requests: 1000 - sum }, { requests: sum }])
    },
  )

  it('give the requests of one that cannot answer to the other', async () => {
    const repository = await two()
    await repository.load(revision(3, () => Promise.reject(new Error('broken'))))
    repository.route('m', [
      { revision: 'r1', percent: 50 },
      { revision: 'r3', percent: 50 },
    ])
    expect(await asked(repository, 20)).toEqual({ r1: 20 })
    expect(repository.isReady).toBe(true)
    expect(repository.revision('r3')).toMatchObject([{ state: 'failed', reason: 'broken' }])
  })

  it('are removed after their last call, without a request that fails meanwhile', async () => {
    const repository = await two()
    const gate = deferred<string>()
    const running = repository.use({ name: 'm' }, () => gate.promise)
    repository.route('m', [{ revision: 'r2', percent: 100 }])
    let isGone = false
    const removed = repository.removeRevision('r1').then(() => (isGone = true))
    expect(await asked(repository, 10)).toEqual({ r2: 10 })
    expect(isGone).toBe(false)
    gate.resolve('r1')
    expect(await running).toBe('r1')
    await removed
    await expect(repository.use({ name: 'r1' }, labelOf)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are all gone once their name is forgotten', async () => {
    const repository = await two()
    await repository.forget('m')
    expect(repository.list()).toEqual([])
    expect(() => repository.metadata({ name: 'm' })).toThrow('does not exist')
    expect(() => repository.route('m', [{ revision: 'r1', percent: 100 }])).toThrow("no revision 'r1'")
  })
})
