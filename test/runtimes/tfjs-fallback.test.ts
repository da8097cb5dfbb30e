/** A session that is opened again where its first backend cannot compute the model. */
import { describe, expect, it } from 'vitest'
import { FallbackSession } from '../../runtimes/tfjs/fallback-session.ts'
import { InferenceError, tensor } from '../../src/runtime/index.ts'
import type { Batch, PlacedSession, Tensor } from '../../src/runtime/index.ts'
import { never } from './model-spec.ts'

const answer = [tensor('y', 'FP32', [1], Float32Array.of(1))]
const missing = (): Promise<never> => Promise.reject(new InferenceError('unimplemented', 'no kernel'))
const batch: Batch = { inputs: [] }

function session(run: () => Promise<readonly Tensor[]>) {
  const told = { closed: 0, failures: [] as ((reason: InferenceError) => void)[] }
  const placed: PlacedSession = {
    ...{ placement: 'thread', instances: 1, info: undefined, run },
    onFailure: (listener) => void told.failures.push(listener),
    close: async () => void (told.closed += 1),
  }
  return { placed, told }
}

describe('a session with another backend to fall back on', () => {
  it('computes there what the first one cannot, opened once for all that wait', async () => {
    const first = session(missing)
    const second = session(() => Promise.resolve(answer))
    const reasons: string[] = []
    const both = new FallbackSession(first.placed, async ({ message }) => {
      reasons.push(message)
      return second.placed
    })
    both.onFailure(() => undefined)
    const answers = await Promise.all([1, 2, 3].map(() => both.run(batch, never)))
    expect(answers).toEqual([answer, answer, answer])
    expect([reasons, first.told.closed, both.session]).toEqual([['no kernel'], 1, second.placed])
    expect(second.told.failures).toHaveLength(1)
    await both.close()
    expect([first.told.closed, second.told.closed]).toEqual([1, 1])
  })

  it('passes on what another backend would not mend, and what it has no other for', async () => {
    const broken = session(() => Promise.reject(new InferenceError('invalid_argument', 'wrong shape')))
    const other = session(() => Promise.resolve(answer))
    const unused = new FallbackSession(broken.placed, () => Promise.resolve(other.placed))
    await expect(unused.run(batch, never)).rejects.toThrow('wrong shape')
    expect(unused.session).toBe(broken.placed)
    await expect(new FallbackSession(session(missing).placed, undefined).run(batch, never)).rejects.toThrow('no kernel')
  })

  it('tries again after the other one could not be opened', async () => {
    let openings = 0
    const both = new FallbackSession(session(missing).placed, () => {
      openings += 1
      if (openings === 1) return Promise.reject(new InferenceError('internal', 'out of threads'))
      return Promise.resolve(session(() => Promise.resolve(answer)).placed)
    })
    await expect(both.run(batch, never)).rejects.toThrow('out of threads')
    expect(await both.run(batch, never)).toEqual(answer)
    expect(await both.run(batch, never)).toEqual(answer)
    expect(openings).toBe(2)
  })
})
