/** What is kept of names for the next start. */
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import type { MeshChange } from '../../../src/server/modelmesh/mesh-change.ts'
import { NamesFile } from '../../../src/server/modelmesh/names-file.ts'
import { directoryWith } from '../../repository/directories.ts'

const info = { type: 't', path: 'p', key: '' }
const register = (id: string): MeshChange => ({
  kind: 'register',
  id,
  info,
  isAutoDeleted: false,
  isLoadedNow: false,
  lastUsedTime: 1,
})
const alias = (id: string, ...models: string[]): MeshChange => ({
  kind: 'alias',
  id,
  targets: models.map((model) => ({ model, weight: 1 })),
})
const vmodel = (id: string, target: string, more = {}): MeshChange => ({
  kind: 'vmodel',
  id,
  target,
  isUpdate: false,
  isForced: false,
  isAutoDeleted: false,
  isLoadedNow: false,
  lastUsedTime: 1,
  ...more,
})

const file = async (): Promise<string> => join(await directoryWith({}), 'state', 'names.jsonl')
const open = (path: string, isShared = false): NamesFile => new NamesFile(path, silentLog, isShared)

describe('a names file', () => {
  it('keeps what holds at the end, in an order in which it can be made again', async () => {
    const path = await file()
    const names = open(path)
    const made = [
      register('a'),
      register('b'),
      vmodel('v', 'a'),
      alias('x', 'b'),
      vmodel('v', 'c', { info }),
      alias('x'),
    ]
    for (const change of made) await names.note(change)
    await names.note({ kind: 'unregister', id: 'b', isAutomatic: false })
    expect(await open(path).read()).toEqual([register('a'), register('c'), vmodel('v', 'c', { info })])
  })

  it('is empty where there is none', async () => {
    expect(await open(await file()).read()).toEqual([])
  })

  it('is read but for what makes no sense', async () => {
    const path = await file()
    await open(path).note(alias('x', 'a'))
    await appendFile(path, '{"kind":"alias","id":7}\nno json\n{"kind":"alias","id":"y","tar')
    expect(await open(path).read()).toEqual([alias('x', 'a')])
  })

  it('does not grow with changes that others have overtaken', async () => {
    const path = await file()
    const names = open(path)
    for (let round = 0; round < 1500; round += 1) await names.note(alias('x', `m${round}`))
    expect((await readFile(path, 'utf8')).split('\n').length).toBeLessThan(1100)
    expect(await open(path).read()).toEqual([alias('x', 'm1499')])
  })

  it('lets a change hold that cannot be written', async () => {
    const names = open('/dev/null/names.jsonl')
    await names.note(alias('x', 'a'))
  })
})
