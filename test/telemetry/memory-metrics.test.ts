/** What Prometheus sees of the memory budget. */
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Observations } from '../../src/telemetry/observations.ts'
import { durationBounds } from '../../src/telemetry/request-counts.ts'
import { fakeEntry, fakeModel } from '../repository/fake-models.ts'
import { handTimers } from '../repository/hand-timers.ts'

async function exposed(budget?: { bytes: number; minAgeMs: number }) {
  const misses = new Observations(durationBounds)
  const timers = handTimers()
  const repository = new ModelRepository(silentLog, {
    timers,
    ...(budget === undefined ? {} : { budget }),
    missed: (_, ms) => misses.observe(ms / 1000),
  })
  const models = () => repository.list()
  const metrics = new Metrics({ version: '1', models, memory: { usage: () => repository.memory, misses } })
  const sizes: Readonly<Record<string, number>> = { a: 400, b: 400, c: 400, d: 400 }
  for (const name of Object.keys(sizes)) {
    repository.register({
      ...fakeEntry(name, '1', () => Promise.resolve(fakeModel(name, { memoryBytes: sizes[name] ?? 0 }))),
      estimateBytes: () => Promise.resolve(sizes[name] ?? 0),
    })
  }
  const use = async (name: string) => {
    timers.pass(10)
    await repository.use({ name }, () => Promise.resolve())
  }
  return { use, text: async () => (await metrics.expose()).text, repository, timers }
}

describe('metrics of the memory budget', () => {
  it('tell what is used, who left, who was refused, and how long requests waited', async () => {
    const { use, text, timers } = await exposed({ bytes: 1000, minAgeMs: 1000 })
    await use('a')
    await use('b')
    await expect(use('c')).rejects.toMatchObject({ code: 'unavailable' })
    timers.pass(2000)
    await use('c')
    const lines = (await text()).split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'servable_models{state="loaded"} 2',
        'servable_models{state="standby"} 2',
        'servable_memory_budget_bytes 1000',
        'servable_memory_used_bytes 800',
        'servable_evictions_total 1',
        'servable_memory_refusals_total{reason="churn"} 1',
        'servable_memory_refusals_total{reason="full"} 0',
        'servable_load_wait_seconds_count 3',
      ]),
    )
  })
  it('leave out a budget that there is not', async () => {
    const { use, text } = await exposed()
    await use('a')
    const all = await text()
    expect(all).not.toContain('servable_memory_budget_bytes')
    expect(all).toContain('servable_load_wait_seconds_count 1')
  })
})
