import { describe, expect, it } from 'vitest'
import { Bag } from '../../src/core/bag.ts'

describe('Bag', () => {
  it('gives each thing back by its slot, once, and uses the slot again', () => {
    const bag = new Bag<string>()
    const [a, b] = [bag.add('a'), bag.add('b')]
    expect([bag.take(a), bag.take(a), bag.size]).toEqual(['a', undefined, 1])
    expect(bag.add('c')).toBe(a)
    expect([...bag]).toEqual(['c', 'b'])
    expect(bag.take(b)).toBe('b')
    expect(bag.take(99)).toBeUndefined()
  })

  it('drains', () => {
    const bag = new Bag<number>()
    for (const item of [1, 2, 3]) bag.add(item)
    bag.take(1)
    expect(bag.drain()).toEqual([1, 3])
    expect([bag.size, [...bag], bag.add(4)]).toEqual([0, [], 0])
  })
})
