/** How a group keeps its workers: real processes, without a server in them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Log, LogFields } from '../../../src/core/log.ts'
import { WorkerGroup } from '../../../src/server/workers/group.ts'

let directory = ''
const groups: WorkerGroup[] = []
const lines: (LogFields & { readonly message: string })[] = []
const note = (fields: LogFields, message: string): void => void lines.push({ ...fields, message })
const log: Log = { debug: note, info: note, warn: note, error: note, isDebugEnabled: true }
const ended = 'worker ended, it is restarted'

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'servable-workers-'))
  lines.length = 0
})

afterEach(async () => {
  for (const group of groups.splice(0)) group.kill()
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
})

/** @param faults as fake-worker.ts takes them: `crash:1`, `crash:1:once` */
function open(workers: number, ...faults: string[]): WorkerGroup {
  const exec = fileURLToPath(new URL('./fake-worker.js', import.meta.url))
  // On a busy machine a sound worker stands still for seconds, too: only who tests that shall not wait for it.
  const beatsMissed = faults.some((fault) => fault.startsWith('hang')) ? 60 : 600
  const group = new WorkerGroup({
    workers,
    program: { exec, args: [directory, ...faults], execArgv: [], environment: {} },
    log,
    drainSeconds: 0,
    ports: { httpPort: 0 },
    isPretty: false,
    times: { beatMs: 50, beatsMissed, backoffMs: 10, longestBackoffMs: 50, scrapeMs: 500 },
  })
  groups.push(group)
  return group
}

const logged = (message: string) => lines.filter((line) => line.message === message)
const waitFor = (message: string, times = 1) =>
  expect.poll(() => logged(message).length, { interval: 10, timeout: 20_000 }).toBeGreaterThanOrEqual(times)

describe('a group of workers', () => {
  it('starts when all have loaded, and ends when all have left', async () => {
    const group = open(3)
    expect(await group.start()).toMatchObject({ addresses: { http: 'http://127.0.0.1:1' }, isReady: true })
    await group.stop()
    expect(logged(ended)).toEqual([])
  })

  it('is not ready where the models of one are not', async () => {
    expect(await open(2, 'unready:2').start()).toMatchObject({ isReady: false })
  })

  it('restarts a worker that dies, with its last words in the log, and stays ready', async () => {
    const group = open(2, 'crash:1:once')
    await group.start()
    await waitFor('worker serves')
    expect(logged(ended)).toMatchObject([{ of: 1, code: 1, reason: 'Error: it was meant to crash' }])
    expect(group.isReady).toBe(true)
  })

  it('waits longer before each restart of a worker that dies again and again', async () => {
    const group = open(2, 'crash:1')
    await group.start()
    await waitFor(ended, 4)
    expect(logged(ended).map(({ restartMs }) => restartMs)).toEqual([10, 20, 40, 50])
    expect(group.isReady).toBe(true)
  })

  it('replaces a worker whose event loop stands still', async () => {
    const group = open(2, 'hang:2:once')
    await group.start()
    await waitFor('worker serves')
    expect(logged(ended)).toMatchObject([{ of: 2, signal: 'SIGKILL', reason: 'its event loop stood still for 3 s' }])
  })

  it('gives up at once where a worker says that it cannot start', async () => {
    await expect(open(2, 'refuse:1', 'refuse:2').start()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: 'port 80 is taken',
    })
  })

  it('gives up where a worker dies three times while it starts', async () => {
    await expect(open(2, 'abort:2').start()).rejects.toThrow('worker 2 ended 3 times while it started: ')
  })

  it('goes on where one could not start once', async () => {
    expect(await open(2, 'abort:2:once').start()).toMatchObject({ isReady: true })
  })

  it('kills a worker that does not leave', async () => {
    const group = open(2, 'stay:1')
    await group.start()
    const started = performance.now()
    await group.stop()
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('a rolling restart', () => {
  it('has each new worker serve before the old one leaves', async () => {
    const group = open(2)
    await group.start()
    let wasReady = true
    const watch = setInterval(() => (wasReady &&= group.isReady), 1)
    await group.roll()
    clearInterval(watch)
    expect(wasReady).toBe(true)
    expect(logged('worker serves').map(({ of }) => of)).toEqual([1, 2])
    expect(logged(ended)).toEqual([])
  })

  it('is given up, and the old worker stays, where the new one does not start', async () => {
    const group = open(2)
    await group.start()
    const refusing = Object.getOwnPropertyDescriptor(process.env, 'NODE_OPTIONS')
    process.env['NODE_OPTIONS'] = '--no-such-option'
    try {
      await group.roll()
    } finally {
      if (refusing === undefined) delete process.env['NODE_OPTIONS']
      else Object.defineProperty(process.env, 'NODE_OPTIONS', refusing)
    }
    expect(logged('rolling restart given up, the new worker does not serve')).toMatchObject([{ of: 1 }])
    expect(group.isReady).toBe(true)
  })
})
