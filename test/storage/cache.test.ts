import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchModel, type FetchOptions } from '../../src/storage/index.ts'
import { holderText, livingHolder } from '../../src/storage/holder.ts'
import { tryLock, withLock } from '../../src/storage/lock.ts'
import { FileServer } from './file-server.ts'

let server: FileServer
let origin: string
let cacheDirectory: string

beforeEach(async () => {
  server = new FileServer()
  origin = await server.listen()
  cacheDirectory = mkdtempSync(join(tmpdir(), 'servable-budget-'))
})
afterEach(async () => {
  await server.close()
  rmSync(cacheDirectory, { recursive: true, force: true })
})

const get = (name: string, options: FetchOptions = {}) =>
  fetchModel(`${origin}/${name}.onnx`, { cacheDirectory, limits: { pauseMs: 1, maxAttempts: 1 }, ...options })

describe('the budget of the cache', () => {
  const cacheBudgetBytes = 250_000

  beforeEach(() => {
    for (const [index, name] of ['a', 'b', 'c'].entries()) server.put(`/${name}.onnx`, Buffer.alloc(100_000, index + 1))
  })

  it('lets go what was used longest ago', async () => {
    const a = await get('a', { cacheBudgetBytes })
    await a.release()
    const b = await get('b', { cacheBudgetBytes })
    await b.release()
    await (await get('a', { cacheBudgetBytes })).release() // now b was used longest ago
    await get('c', { cacheBudgetBytes })
    expect([a, b].map(({ path }) => existsSync(path))).toEqual([true, false])
  })

  it('keeps what is in use, and refuses what does not fit beside it', async () => {
    const used = [await get('a', { cacheBudgetBytes }), await get('b', { cacheBudgetBytes })]
    await expect(get('c', { cacheBudgetBytes })).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringMatching(
        /100000 bytes are needed, and its budget of 250000 bytes \(--cache-budget\) has \d+ left/,
      ) as string,
    })
    expect(used.every(({ path }) => existsSync(path))).toBe(true)
  })

  it('counts one file once, whoever has it', async () => {
    server.put('/same.onnx', Buffer.alloc(100_000, 1))
    await get('a', { cacheBudgetBytes })
    await get('same', { cacheBudgetBytes })
    expect((await get('b', { cacheBudgetBytes })).bytes).toBe(100_000) // three models, two contents
  })
})

describe('a lock between processes', () => {
  const file = () => join(cacheDirectory, 'locks', 'one')
  const { signal } = new AbortController()

  it('is held by one at a time', async () => {
    let inside = 0
    let most = 0
    const work = async (): Promise<void> => {
      inside += 1
      most = Math.max(most, inside)
      await new Promise((resolve) => setImmediate(resolve))
      inside -= 1
    }
    await Promise.all(Array.from({ length: 20 }, () => withLock(file(), signal, work)))
    expect(most).toBe(1)
    expect(existsSync(file())).toBe(false)
  })

  it('is not taken from who lives', async () => {
    await tryLock(file(), async () => {
      expect(await tryLock(file(), () => Promise.resolve('taken'))).toBeUndefined()
    })
    expect(await tryLock(file(), () => Promise.resolve('free'))).toEqual({ value: 'free' })
  })

  it('is taken over from a process that has ended', async () => {
    const { pid } = spawnSync(process.execPath, ['--version'])
    mkdirSync(join(cacheDirectory, 'locks'))
    writeFileSync(file(), JSON.stringify({ ...(JSON.parse(holderText()) as object), pid }))
    expect(await livingHolder(file())).toBeUndefined()
    expect(await tryLock(file(), () => Promise.resolve('taken'))).toEqual({ value: 'taken' })
  })

  it('is taken over from a process whose number another has now', async () => {
    mkdirSync(join(cacheDirectory, 'locks'))
    writeFileSync(file(), JSON.stringify({ ...(JSON.parse(holderText()) as object), started: '1' }))
    expect(await livingHolder(file())).toBeUndefined()
  })

  it('is waited for no longer than the signal lets', async () => {
    const controller = new AbortController()
    await tryLock(file(), async () => {
      const waiting = withLock(file(), controller.signal, () => Promise.resolve())
      controller.abort()
      await expect(waiting).rejects.toThrow()
    })
  })
})

describe('a beginning that is whole already', () => {
  it('is taken as it is, without a download', async () => {
    const body = Buffer.alloc(50_000, 7)
    server.put('/a.onnx', body)
    const { path } = await get('a')
    // As a process leaves it that was killed between its last byte and the name of the file.
    const blob = readFileSync(path)
    rmSync(join(cacheDirectory, 'trees'), { recursive: true })
    const [identity = ''] = readNames('objects')
    rmSync(join(cacheDirectory, 'blobs'), { recursive: true })
    mkdirSync(join(cacheDirectory, 'partial'), { recursive: true })
    writeFileSync(join(cacheDirectory, 'partial', identity), blob)
    server.sentBytes = 0
    expect(readFileSync((await get('a')).path).equals(body)).toBe(true)
    expect(server.sentBytes).toBe(1) // the question what is there
  })
})

function readNames(name: string): readonly string[] {
  return readdirSync(join(cacheDirectory, name))
}
