import { describe, expect, it } from 'vitest'
import { chooseParallelism } from '../../runtimes/onnx/choose-parallelism.ts'
import type { Parallelism, ParallelismFacts } from '../../runtimes/onnx/choose-parallelism.ts'

function choose(facts: Partial<ParallelismFacts>): Parallelism {
  return chooseParallelism({ cpus: 8, oneThreadUs: 10_000, weightBytes: 1_000_000, ...facts })
}

describe('threads and sessions of a model', () => {
  it('are one with all threads where those make a run nearly as many times as fast', () => {
    expect(choose({ allThreadsUs: 1500 })).toMatchObject({ threads: 8, instances: 1 })
    expect(choose({ cpus: 2, allThreadsUs: 6000 })).toMatchObject({ threads: 2, instances: 1 })
  })

  it('are one session for each CPU where threads gain nothing', () => {
    const { threads, instances, reason } = choose({ allThreadsUs: 10_000 })
    expect([threads, instances]).toEqual([1, 8])
    expect(reason).toBe('8 threads make a run 1.0 times as fast (10.0 ms, 10.0 ms): 8 sessions with 1 thread')
    expect(choose({ cpus: 2, allThreadsUs: 9000 })).toMatchObject({ threads: 1, instances: 2 })
  })

  it('are something between where threads gain a little', () => {
    const { threads, instances } = choose({ allThreadsUs: 3000 })
    expect(threads).toBeGreaterThan(1)
    expect(instances).toBeGreaterThan(1)
    expect(threads * instances).toBeLessThanOrEqual(8)
  })

  it('are fewer sessions where each takes much memory', () => {
    const choice = choose({ allThreadsUs: 10_000, weightBytes: 200_000_000 })
    expect(choice).toMatchObject({ instances: 3, threads: 2, reason: /too much memory/ })
  })

  it.each<[string, Partial<ParallelismFacts>, Partial<Parallelism>]>([
    ['one CPU', { cpus: 1 }, { threads: 1, instances: 1 }],
    ['a short run', { oneThreadUs: 900, allThreadsUs: 500 }, { threads: 1, instances: 1 }],
    ['no measurement with all threads', {}, { threads: 8, instances: 1 }],
    ['a measurement that cannot be', { allThreadsUs: 100 }, { threads: 8, instances: 1 }],
  ])('follow from %s', (_title, facts, expected) => {
    expect(choose(facts)).toMatchObject(expected)
  })
})
