/** ModelMesh's vmodels: which model a name leads to, and when that changes. */
import { describe, expect, it } from 'vitest'
import { VirtualModels, type TargetChange } from '../../src/repository/virtual-models.ts'

const to = (target: string, more: Partial<TargetChange> = {}): TargetChange => ({
  id: 'es',
  target,
  isUpdate: false,
  isForced: false,
  ...more,
})
const loaded =
  (...models: string[]) =>
  (model: string): boolean =>
    models.includes(model)
const none = loaded()

/** `es`, which leads to `es_1`. */
function spanish(more: Partial<TargetChange> = {}): VirtualModels {
  const models = new VirtualModels()
  models.set(to('es_1', more), none)
  return models
}

const refused = (code: string, message: string) => expect.objectContaining({ code, message }) as Error

describe('a virtual model', () => {
  it('leads to its first target at once, loaded or not', () => {
    const change = new VirtualModels().set(to('es_1'), none)
    expect(change).toEqual({
      virtual: { id: 'es', active: 'es_1', target: 'es_1', hasFailed: false },
      isNew: true,
      released: [],
    })
  })

  it('stays with a loaded model until the target is loaded, and then lets go of it', () => {
    const models = spanish()
    expect(models.set(to('es_2'), loaded('es_1'))).toMatchObject({
      virtual: { active: 'es_1', target: 'es_2' },
      released: [],
    })
    expect(models.isReferenced('es_1')).toBe(true)
    expect(models.complete('es', 'es_2')).toMatchObject({ virtual: { active: 'es_2' }, released: ['es_1'] })
    expect(models.isReferenced('es_1')).toBe(false)
    expect(models.complete('es', 'es_2')).toBeUndefined()
  })

  it.each([
    ['the target is loaded', none, loaded('es_1', 'es_2'), {}],
    ['what answers is not loaded', none, none, {}],
    ['it is forced', none, loaded('es_1'), { isForced: true }],
  ])('switches at once where %s', (_why, before, now, more) => {
    const models = new VirtualModels()
    models.set(to('es_1'), before)
    expect(models.set(to('es_2', more), now)).toMatchObject({
      virtual: { active: 'es_2', target: 'es_2' },
      released: ['es_1'],
    })
  })

  it('goes back to what answers by another change, and lets go of the target', () => {
    const models = spanish()
    models.set(to('es_2'), loaded('es_1'))
    expect(models.set(to('es_1'), loaded('es_1'))).toMatchObject({
      virtual: { active: 'es_1', target: 'es_1' },
      released: ['es_2'],
    })
    expect(models.complete('es', 'es_2')).toBeUndefined()
  })

  it('takes another target while it waits for one', () => {
    const models = spanish()
    models.set(to('es_2'), loaded('es_1'))
    expect(models.set(to('es_3'), loaded('es_1')).released).toEqual(['es_2'])
    expect(models.complete('es', 'es_2')).toBeUndefined()
    expect(models.get('es')).toMatchObject({ active: 'es_1', target: 'es_3' })
  })

  it('keeps what answers where the target fails, and forgets the failure with the next target', () => {
    const models = spanish()
    models.set(to('es_2'), loaded('es_1'))
    expect(models.mark('es', 'es_2', true)).toMatchObject({ active: 'es_1', target: 'es_2', hasFailed: true })
    expect(models.set(to('es_2'), loaded('es_1')).virtual.hasFailed).toBe(true)
    expect(models.set(to('es_3'), loaded('es_1')).virtual.hasFailed).toBe(false)
    expect(models.mark('es', 'es_2', true)).toBeUndefined()
  })

  it('switches by force to the target that it waits for', () => {
    const models = spanish()
    models.set(to('es_2'), loaded('es_1'))
    expect(models.set(to('es_2', { isForced: true }), loaded('es_1'))).toMatchObject({
      virtual: { active: 'es_2' },
      released: ['es_1'],
    })
  })

  it('changes nothing where it has the target already', () => {
    expect(spanish().set(to('es_1', { isUpdate: true, expected: 'other' }), none)).toMatchObject({
      isNew: false,
      released: [],
    })
  })

  it('is made by no update', () => {
    const models = new VirtualModels()
    expect(() => models.set(to('es_1', { isUpdate: true }), none)).toThrow(refused('not_found', 'vmodel es not found'))
    expect(models.get('es')).toBeUndefined()
  })

  it('compares its target before it is changed', () => {
    const models = new VirtualModels()
    expect(() => models.set(to('es_2', { expected: 'es_1' }), none)).toThrow(
      refused('failed_precondition', 'vmodel es not found'),
    )
    models.set(to('es_1', { expected: 'es_1' }), none)
    expect(() => models.set(to('es_3', { expected: 'es_2' }), none)).toThrow(
      refused('failed_precondition', 'Existing target model es_1 does not match expected es_2'),
    )
    expect(models.set(to('es_2', { expected: 'es_1' }), none).virtual.active).toBe('es_2')
  })

  it('belongs to its owner', () => {
    const models = spanish({ owner: 'ada' })
    expect(() => models.set(to('es_2', { owner: 'eve' }), none)).toThrow(
      refused('already_exists', 'vmodel es already exists with different owner "ada"'),
    )
    expect(models.set(to('es_2'), none).virtual.owner).toBe('ada')
    expect(models.get('es', 'eve')).toBeUndefined()
    expect(models.delete('es', 'eve')).toBeUndefined()
    expect(models.delete('es', 'ada')).toEqual({ released: ['es_2'] })
    expect(models.delete('es')).toBeUndefined()
  })

  it('shares a model with others: the last one lets go of it', () => {
    const models = spanish()
    models.set(to('es_1', { id: 'spanish' }), none)
    expect(models.delete('es')).toEqual({ released: [] })
    expect(models.delete('spanish')).toEqual({ released: ['es_1'] })
  })

  it('counts references as they are, whatever comes in whatever order', () => {
    const models = new VirtualModels()
    let seed = 7
    const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    for (let step = 0; step < 20_000; step += 1) {
      const [id, target] = [`v${next(4)}`, `m${next(5)}`]
      const isLoaded = (): boolean => next(2) === 0
      if (next(6) === 0) models.delete(id)
      else if (next(3) === 0) models.complete(id, target)
      else models.set(to(target, { id, isForced: next(5) === 0 }), isLoaded)
      const used = new Set([...models.all].flatMap(({ active, target }) => [active, target]))
      for (let model = 0; model < 5; model += 1) expect(models.isReferenced(`m${model}`)).toBe(used.has(`m${model}`))
    }
  })
})
