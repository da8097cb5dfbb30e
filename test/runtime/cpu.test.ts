import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { parseCfs, parseCpuMax, quotaCpus, usableCpus } from '../../src/runtime/cpu.ts'

function files(contents: Readonly<Record<string, string>>) {
  return (path: string): string | undefined => contents[path]
}

describe('the CPU quota', () => {
  it('reads cgroup v2', () => {
    expect(parseCpuMax('200000 100000\n')).toBe(2)
    expect(parseCpuMax('max 100000\n')).toBeUndefined()
    expect(parseCpuMax('')).toBeUndefined()
  })

  it('reads cgroup v1, where -1 is no quota', () => {
    expect(parseCfs('150000\n', '100000\n')).toBe(1.5)
    expect(parseCfs('-1\n', '100000\n')).toBeUndefined()
    expect(parseCfs('100000', '0')).toBeUndefined()
  })

  it('takes the smallest quota on the way up', () => {
    const read = files({
      '/proc/self/cgroup': '0::/kubepods/pod1/box\n',
      '/sys/fs/cgroup/kubepods/pod1/box/cpu.max': '400000 100000',
      '/sys/fs/cgroup/kubepods/pod1/cpu.max': '300000 100000',
      '/sys/fs/cgroup/kubepods/cpu.max': 'max 100000',
    })
    expect(quotaCpus(read)).toBe(3)
  })

  it('finds the quota where a container sees its own group as the root', () => {
    expect(quotaCpus(files({ '/sys/fs/cgroup/cpu.max': '50000 100000' }))).toBe(0.5)
    const v1 = files({
      '/proc/self/cgroup': '4:cpu,cpuacct:/docker/abc\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '250000',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
    })
    expect(quotaCpus(v1)).toBe(2.5)
  })

  it('is absent where no file tells one', () => {
    expect(quotaCpus(() => undefined)).toBeUndefined()
  })

  it('leaves at least one CPU and no more than there are', () => {
    expect(usableCpus()).toBeGreaterThanOrEqual(1)
    expect(usableCpus()).toBeLessThanOrEqual(availableParallelism())
  })
})
