import { describe, expect, it } from 'vitest'
import { Fifo } from '../../src/scheduling/fifo.ts'

describe('Fifo', () => {
  it('serves in order of arrival and lets anyone leave', () => {
    const queue = new Fifo<string>()
    const tickets = ['a', 'b', 'c', 'd'].map((item) => queue.push(item))
    queue.leave(tickets[1] ?? -1)
    queue.leave(tickets[1] ?? -1)
    expect(queue.size).toBe(3)
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()]).toEqual(['a', 'c', 'd', undefined])
    queue.leave(tickets[0] ?? -1)
    expect(queue.size).toBe(0)
  })

  it('agrees with a plain array over 50,000 random steps', () => {
    const queue = new Fifo<number>()
    const plain: { item: number; ticket: number }[] = []
    let seed = 7
    const random = (below: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below
    for (let step = 0; step < 50_000; step += 1) {
      const what = random(step < 25_000 ? 5 : 3)
      if (what === 0) expect(queue.shift()).toBe(plain.shift()?.item)
      else if (what === 1 && plain.length > 0) {
        const [gone] = plain.splice(random(plain.length), 1)
        queue.leave(gone?.ticket ?? -1)
      } else plain.push({ item: step, ticket: queue.push(step) })
      if (queue.size !== plain.length) expect(queue.size).toBe(plain.length)
    }
  })
})
