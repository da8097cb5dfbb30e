/** Other names for models: where their requests go, and how they are changed. */
import { describe, expect, it } from 'vitest'
import { AliasedRepository } from '../../src/repository/aliased-repository.ts'
import { Aliases } from '../../src/repository/aliases.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { fakeEntry } from './fake-models.ts'

const to = (model: string, weight = 1) => ({ model, weight })
const refused = (code: string) => expect.objectContaining({ code }) as Error

async function opened(...names: readonly string[]) {
  const models = new ModelRepository()
  for (const name of names) await models.load(fakeEntry(name, '1'))
  const aliases = new Aliases()
  const repository = new AliasedRepository(models, [aliases])
  const ask = (name: string, version?: string) =>
    repository.use(
      version === undefined ? { name } : { name, version },
      async ({ ref }) => `${ref.name}/${ref.version}`,
    )
  return { models, aliases, repository, ask }
}

describe('an alias', () => {
  it('leads to its model, with its metadata and its state', async () => {
    const { aliases, repository, ask } = await opened('iris-1')
    aliases.set('iris', [to('iris-1')])
    expect(await ask('iris')).toBe('iris-1/1')
    expect(await ask('iris', '1')).toBe('iris-1/1')
    await expect(ask('iris', '7')).rejects.toMatchObject({ code: 'not_found' })
    expect(repository.metadata({ name: 'iris' }).ref.name).toBe('iris-1')
    expect(repository.status({ name: 'iris' }).state).toBe('ready')
    await expect(ask('lily')).rejects.toMatchObject({ message: 'Model with name lily does not exist.' })
  })

  it('divides requests by weight, and its metadata is that of the first', async () => {
    const { aliases, repository, ask } = await opened('iris-1', 'iris-2')
    aliases.set('iris', [to('iris-1', 3), to('iris-2', 1)])
    const counts: Record<string, number> = { 'iris-1/1': 0, 'iris-2/1': 0 }
    for (let index = 0; index < 1000; index += 1) {
      const answer = await ask('iris')
      counts[answer] = (counts[answer] ?? 0) + 1
    }
    expect(counts['iris-1/1']).toBeGreaterThan(740)
    expect(counts['iris-1/1']).toBeLessThan(760)
    expect(repository.metadata({ name: 'iris' }).ref.name).toBe('iris-1')
  })

  it('passes over a target that cannot answer', async () => {
    const { aliases, models, ask } = await opened('iris-1', 'iris-2')
    aliases.set('iris', [to('iris-1', 1), to('iris-2', 1)])
    await models.unload({ name: 'iris-1' })
    for (let index = 0; index < 20; index += 1) expect(await ask('iris')).toBe('iris-2/1')
    await models.unload({ name: 'iris-2' })
    await expect(ask('iris')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('steps back where a model has its name', async () => {
    const { aliases, ask } = await opened('iris-1', 'iris')
    aliases.set('iris', [to('iris-1')])
    expect(await ask('iris')).toBe('iris/1')
  })

  it('is followed while a request waits for a model that leaves', async () => {
    const { aliases, models, ask } = await opened('iris-2')
    let fail = (): void => undefined
    const load = () => new Promise<never>((_resolve, reject) => (fail = () => reject(new Error('gone'))))
    models.register({ ref: { name: 'iris-1', version: '1' }, runtime: 'test', load })
    aliases.set('iris', [to('iris-1')])
    const answer = ask('iris')
    await expect.poll(() => models.status({ name: 'iris-1' }).state).toBeDefined()
    await new Promise((resolve) => setImmediate(resolve))
    aliases.set('iris', [to('iris-2')])
    fail()
    expect(await answer).toBe('iris-2/1')
  })

  it('is changed only from what was expected', () => {
    const aliases = new Aliases()
    expect(() => aliases.set('iris', [to('iris-1')], [to('iris-0')])).toThrow(refused('failed_precondition'))
    aliases.set('iris', [to('iris-1')], null)
    expect(() => aliases.set('iris', [to('iris-1')], null)).toThrow(refused('failed_precondition'))
    expect(() => aliases.delete('iris', [to('iris-1', 2)])).toThrow(refused('failed_precondition'))
    aliases.set('iris', [to('iris-2')], [to('iris-1')])
    expect(aliases.all).toEqual([{ name: 'iris', targets: [to('iris-2')] }])
    expect(aliases.delete('iris', [to('iris-2')])).toBe(true)
    expect(aliases.delete('iris')).toBe(false)
  })

  it('needs a target with a weight', () => {
    const aliases = new Aliases()
    for (const targets of [[], [to('a', 0)], [to('a', 2), to('b', -1)], [to('a', Infinity)], [to('a', NaN)]]) {
      expect(() => aliases.set('iris', targets)).toThrow(refused('invalid_argument'))
    }
    expect(aliases.isEmpty).toBe(true)
  })
})
