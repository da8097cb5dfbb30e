import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { create, Header } from 'tar'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchModel, type FetchOptions } from '../../src/storage/index.ts'
import { zipOf } from './zip.ts'

let scratch: string
let cacheDirectory: string

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'servable-archives-'))
  cacheDirectory = join(scratch, 'cache')
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

interface TarEntry {
  readonly path: string
  readonly type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link' | 'CharacterDevice'
  readonly linkpath?: string
  readonly body?: string
}

function tarOf(...entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'File', linkpath = '', body = '' }) => {
    const size = Buffer.byteLength(body)
    const header = Buffer.alloc(512)
    new Header({ path, type, linkpath, size, mode: 0o000, uid: 0, gid: 0, mtime: new Date(0) }).encode(header, 0)
    return [header, Buffer.from(body), Buffer.alloc((512 - (size % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function put(name: string, content: Buffer): string {
  const path = join(scratch, name)
  writeFileSync(path, content)
  return path
}

const unpack = (name: string, content: Buffer, options: FetchOptions = {}) =>
  fetchModel(`file://${put(name, content)}`, { cacheDirectory, ...options })

async function refusal(name: string, content: Buffer, options: FetchOptions = {}): Promise<string> {
  const reason: unknown = await unpack(name, content, options).catch((error: unknown) => error)
  if (!(reason instanceof Error)) throw new Error('was unpacked')
  expect(readdirSync(join(cacheDirectory, 'staging'))).toEqual([])
  expect(existsSync(join(cacheDirectory, 'trees')) ? readdirSync(join(cacheDirectory, 'trees')) : []).toEqual([])
  return reason.message
}

describe('an archive', () => {
  const entries = [
    { path: './', type: 'Directory' as const },
    { path: './1/model.onnx', body: 'one' },
    { path: 'model.yaml', body: 'name: x' },
  ]

  it.each([
    ['iris.tar', () => tarOf(...entries)],
    ['iris.tgz', () => gzipSync(tarOf(...entries))],
    ['iris.tar.gz', () => gzipSync(tarOf(...entries))],
    ['iris.zip', () => zipOf({ '1/': '', '1/model.onnx': 'one', 'model.yaml': 'name: x' })],
  ])('%s is unpacked under its own name, once', async (name, content) => {
    const first = await unpack(name, content())
    expect(basename(first.path)).toBe('iris')
    expect(readFileSync(join(first.path, '1', 'model.onnx'), 'utf8')).toBe('one')
    expect(readFileSync(join(first.path, 'model.yaml'), 'utf8')).toBe('name: x')
    const again = await fetchModel(join(scratch, name), { cacheDirectory })
    expect([again.path, again.isCached]).toEqual([first.path, true])
    expect(readdirSync(join(cacheDirectory, 'blobs'))).toEqual([]) // the archive itself is not kept
  })

  it('made by the tar of others comes out as it went in', async () => {
    const folder = join(scratch, 'in')
    mkdirSync(join(folder, 'variables'), { recursive: true })
    const weights = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 31) % 253))
    writeFileSync(join(folder, 'variables', `${'long'.repeat(50)}.data`), weights)
    const file = join(scratch, 'made.tgz')
    await create({ file, gzip: true, cwd: folder }, ['.'])
    const { path } = await fetchModel(file, { cacheDirectory })
    const out = readFileSync(join(path, 'variables', `${'long'.repeat(50)}.data`))
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(hash(out)).toBe(hash(weights))
  })

  it('keeps links that stay inside', async () => {
    const { path } = await unpack(
      'iris.tar',
      tarOf(
        { path: 'blobs/a', body: 'weights' },
        { path: 'snapshot/model.onnx', type: 'SymbolicLink', linkpath: '../blobs/a' },
        { path: 'same', type: 'Link', linkpath: 'blobs/a' },
      ),
    )
    expect(lstatSync(join(path, 'snapshot', 'model.onnx')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(path, 'snapshot', 'model.onnx'), 'utf8')).toBe('weights')
    expect(readFileSync(join(path, 'same'), 'utf8')).toBe('weights')
  })
})

describe('an archive that would do harm', () => {
  const outside = () => existsSync(join(scratch, 'evil'))

  it.each<readonly [string, readonly TarEntry[], RegExp]>([
    ['a path with ..', [{ path: '../../../evil', body: 'x' }], /leads out of its directory/],
    ['an absolute path', [{ path: '/tmp/evil', body: 'x' }], /leads out of its directory/],
    ['a path with a backslash', [{ path: '..\\evil', body: 'x' }], /leads out of its directory/],
    ['a link that leads out', [{ path: 'a', type: 'SymbolicLink', linkpath: '../../../..' }], /a link that leads out/],
    ['an absolute link', [{ path: 'a', type: 'SymbolicLink', linkpath: '/etc/passwd' }], /a link that leads out/],
    ['a hard link to elsewhere', [{ path: 'a', type: 'Link', linkpath: '/etc/passwd' }], /leads out/],
    ['a hard link to no file of it', [{ path: 'a', type: 'Link', linkpath: 'b' }], /a link to what is no file/],
    ['a link to nowhere', [{ path: 'a', type: 'SymbolicLink', linkpath: 'b' }], /leads nowhere/],
    ['a device', [{ path: 'a', type: 'CharacterDevice' }], /of the type CharacterDevice/],
    [
      'a file behind a link',
      [
        { path: 'd', type: 'Directory' },
        { path: 'd/l', type: 'SymbolicLink', linkpath: '.' },
        { path: 'd/l/evil', body: 'x' },
      ],
      /a link in the place of another entry/,
    ],
    [
      'a link behind a link',
      [
        { path: 'd', type: 'SymbolicLink', linkpath: '.' },
        { path: 'd/l', type: 'SymbolicLink', linkpath: 'd' },
      ],
      /an entry behind a link/,
    ],
    [
      'links that lead out together',
      [
        { path: 'x', type: 'Directory' },
        { path: 'x/y', type: 'SymbolicLink', linkpath: '..' },
        { path: 'z', type: 'SymbolicLink', linkpath: 'x/y/../..' },
      ],
      /leads out|cannot be unpacked/,
    ],
  ])('tar with %s', async (_, entries, message) => {
    expect(await refusal('bad.tar', tarOf(...entries))).toMatch(message)
    expect(outside()).toBe(false)
  })

  it.each([
    ['a path with ..', { '../evil': 'x' }, /bad\.zip.*(invalid relative path|leads out)/],
    ['an absolute path', { '/evil': 'x' }, /bad\.zip.*(absolute path|leads out)/],
    ['nothing in it', {}, /empty archive/],
  ])('zip with %s', async (_, files, message) => {
    expect(await refusal('bad.zip', zipOf(files))).toMatch(message)
    expect(outside()).toBe(false)
  })

  it('zip with a link', async () => {
    const mode = 0o120777
    expect(await refusal('bad.zip', zipOf({ link: '/etc/passwd' }, mode))).toMatch(/"link", a link/)
  })

  it('is stopped at a number of entries', async () => {
    const many = Array.from({ length: 30 }, (_, index) => ({ path: `f${index}` }))
    const limits = { maxFiles: 20 }
    expect(await refusal('many.tar', tarOf(...many), { limits })).toMatch(/more than 20 entries/)
    const files = Object.fromEntries(many.map(({ path }) => [path, '']))
    expect(await refusal('many.zip', zipOf(files), { limits })).toMatch(/more than 20 entries/)
  })

  it('is stopped at a size, before it is written', async () => {
    const large = gzipSync(tarOf({ path: 'zeros', body: '\0'.repeat(3_000_000) }))
    const limits = { maxBytes: 1_000_000 }
    expect(await refusal('large.tgz', large, { limits })).toMatch(/unpack to more than 1000000 bytes/)
    expect(await refusal('large.zip', zipOf({ zeros: '\0'.repeat(3_000_000) }), { limits })).toMatch(
      /unpack to more than 1000000 bytes/,
    )
  })

  it('is stopped where much follows its end', async () => {
    const trailing = gzipSync(Buffer.concat([tarOf({ path: 'a', body: 'x' }), Buffer.alloc(20_000_000)]))
    expect(await refusal('trailing.tgz', trailing)).toMatch(/belongs to no file/)
  })

  it.each([
    ['half.tgz', () => gzipSync(tarOf({ path: 'a', body: 'x'.repeat(5000) })).subarray(0, 60)],
    ['half.tar', () => tarOf({ path: 'a', body: 'x'.repeat(5000) }).subarray(0, 2048)],
    ['half.zip', () => zipOf({ a: 'x'.repeat(5000) }).subarray(0, 60)],
    ['page.zip', () => Buffer.from('<html>not found</html>'.repeat(50))],
    ['page.tgz', () => Buffer.from('<html>not found</html>'.repeat(50))],
  ])('is refused where it is none: %s', async (name, content) => {
    expect(await refusal(name, content())).toMatch(/cannot be unpacked|is no (zip|tgz|tar) archive by its bytes/)
  })

  it('is refused by its name where it is packed otherwise', async () => {
    await expect(fetchModel(put('iris.tar.bz2', Buffer.from('x')), { cacheDirectory })).rejects.toThrow(
      'archives are read as .tar, .tar.gz, .tgz and .zip',
    )
  })
})
