/** Loads that run at once, and who comes next. */
import { describe, expect, it } from 'vitest'
import { LoadQueue, Turn } from '../../src/repository/load-queue.ts'
import { deferred, type Deferred } from './fake-models.ts'

function started(concurrency: number) {
  const queue = new LoadQueue(concurrency)
  const order: string[] = []
  const gates = new Map<string, Deferred<void>>()
  const add = (name: string, isAsked: boolean) => {
    const gate = deferred<void>()
    gates.set(name, gate)
    const turn = new Turn(isAsked)
    void queue.run(turn, () => {
      order.push(name)
      return gate.promise
    })
    return turn
  }
  const end = async (name: string) => {
    gates.get(name)?.resolve()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { queue, order, add, end }
}

describe('the queue of loads', () => {
  it('runs so many at once, and those that requests wait for before the others', async () => {
    const { queue, order, add, end } = started(2)
    for (const name of ['a', 'b', 'c', 'd']) add(name, false)
    add('asked', true)
    expect([order, queue.size]).toEqual([['a', 'b'], 3])
    for (const name of ['a', 'b', 'asked', 'c', 'd']) await end(name)
    expect(order).toEqual(['a', 'b', 'asked', 'c', 'd'])
    expect(queue.size).toBe(0)
  })
  it('moves one ahead when a request comes for it, once', async () => {
    const { order, add, end } = started(1)
    const running = add('running', false)
    const [, second, third] = ['x', 'y', 'z'].map((name) => add(name, false))
    third?.hurry()
    third?.hurry()
    second?.hurry()
    running.hurry()
    for (const name of ['running', 'z', 'y', 'x']) await end(name)
    expect(order).toEqual(['running', 'z', 'y', 'x'])
  })
  it('goes on after work that failed', async () => {
    const queue = new LoadQueue(1)
    await expect(queue.run(new Turn(true), () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await queue.run(new Turn(true), () => Promise.resolve('next'))).toBe('next')
  })
})
