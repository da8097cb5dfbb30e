/** Kills a process a hundred times in the midst of downloads and unpackings; the cache must always be whole, and lose little. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { Header } from 'tar'

const program = join(dirname(fileURLToPath(import.meta.url)), 'fetch-program.mjs')
const rounds = Number(process.env.SERVABLE_KILLINGS ?? 100)
/** Bodies come in parts of this size. */
const partBytes = 40_000
const fileBytes = 400_000
const archiveFiles = 40

export async function killings({ dist, scratch, check }) {
  const cacheDirectory = join(scratch, 'cache-killed')
  const files = new Map()
  const sent = new Map()
  const server = createServer((request, response) => serve(request, response, files, sent))
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${server.address().port}`
  const storage = pathToFileURL(join(dist, 'src', 'storage', 'index.js')).href
  const { fetchModel } = await import(storage)
  const damaged = []
  const repeated = []
  const phases = { before: 0, downloading: 0, unpacking: 0, ended: 0 }
  try {
    await check(`a process is killed ${rounds} times and every next one finds a whole cache`, async () => {
      const whole = makeModels(files, origin, 'whole')
      const total = await stepsOf({ storage, cacheDirectory: `${cacheDirectory}-whole`, uris: whole.uris })
      for (let round = 0; round < rounds; round += 1) {
        const { uris, contents } = makeModels(files, origin, round)
        const steps = Math.floor(((round + 0.5) / rounds) * total)
        await killed({ storage, cacheDirectory, uris, phases }, steps)
        const complete = blobsIn(cacheDirectory)
        const trees = treesIn(cacheDirectory)
        for (const tree of trees) if (!isWhole(cacheDirectory, tree)) damaged.push(tree)
        sent.clear()
        for (const [index, uri] of uris.entries()) {
          const { path } = await fetchModel(uri, { cacheDirectory, limits: { pauseMs: 1 } })
          for (const [name, hash] of contents[index])
            if (hashOf(readFileSync(join(path, name))) !== hash) damaged.push(uri)
        }
        for (const [path, { hash }] of files) {
          if (complete.has(hash) && (sent.get(path) ?? 0) > 1) repeated.push(path)
        }
        files.clear()
      }
      assert.deepEqual(damaged, [])
      assert.deepEqual(repeated, [])
    })
    await check('kills have met every phase, and nothing is left behind', () => {
      console.log(
        `killed before ${phases.before}, downloading ${phases.downloading}, unpacking ${phases.unpacking}, after ${phases.ended}`,
      )
      assert.ok(phases.downloading > 0 && phases.unpacking > 0)
      assert.deepEqual(namesIn(join(cacheDirectory, 'staging')), [])
      assert.deepEqual(namesIn(join(cacheDirectory, 'partial')), [])
    })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** A bare file and an archive, different in each round. */
function makeModels(files, origin, round) {
  const put = (path, body) => files.set(path, { body, hash: hashOf(body) })
  const weights = randomBytes(fileBytes)
  put(`/${round}/iris/model.onnx`, weights)
  const members = Array.from({ length: archiveFiles }, (_, index) => [`part-${index}`, randomBytes(5_000)])
  put(`/${round}/petals.tgz`, tgz(members))
  return {
    uris: [`${origin}/${round}/iris/model.onnx`, `${origin}/${round}/petals.tgz`],
    contents: [[['', hashOf(weights)]], members.map(([name, body]) => [name, hashOf(body)])],
  }
}

function tgz(members) {
  const blocks = members.flatMap(([path, body]) => {
    const header = Buffer.alloc(512)
    new Header({ path, type: 'File', size: body.length, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) }).encode(
      header,
      0,
    )
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

function serve(request, response, files, sent) {
  const file = files.get(request.url)
  if (file === undefined) return response.writeHead(404).end()
  const [, from = '0', to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const part = file.body.subarray(Number(from), to === undefined || to === '' ? undefined : Number(to) + 1)
  const etag = `"${file.hash}"`
  const common = { etag, 'content-length': part.length, 'content-type': 'application/octet-stream' }
  const last = Number(from) + part.length - 1
  if (request.headers.range === undefined) response.writeHead(200, common)
  else response.writeHead(206, { ...common, 'content-range': `bytes ${from}-${last}/${file.body.length}` })
  sent.set(request.url, (sent.get(request.url) ?? 0) + part.length)
  const write = (at) => {
    if (response.destroyed) return
    if (at >= part.length) return response.end()
    response.write(part.subarray(at, at + partBytes))
    setImmediate(write, at + partBytes)
  }
  write(0)
}

/** How often the program changes or asks the disk in all. */
async function stepsOf({ storage, cacheDirectory, uris }) {
  const child = start(storage, cacheDirectory, uris, 0)
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  return Number(text)
}

function start(storage, cacheDirectory, uris, steps) {
  const args = [program, String(steps), storage, cacheDirectory, ...uris]
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** The program kills itself at one of its steps, as only a kill can: nothing is closed, nothing is written any more. */
async function killed({ storage, cacheDirectory, uris, phases }, steps) {
  const child = start(storage, cacheDirectory, uris, steps)
  await new Promise((resolve) => child.once('exit', resolve))
  const [partial, staging] = ['partial', 'staging'].map((name) => namesIn(join(cacheDirectory, name)))
  const isUnpacking = staging.some((key) => filesBelow(join(cacheDirectory, 'staging', key)) > 0)
  if (child.exitCode === 0) phases.ended += 1
  else if (isUnpacking) phases.unpacking += 1
  else if (partial.length > 0) phases.downloading += 1
  else phases.before += 1
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
}

function blobsIn(cacheDirectory) {
  return new Set(namesIn(join(cacheDirectory, 'blobs')))
}

function treesIn(cacheDirectory) {
  return namesIn(join(cacheDirectory, 'trees'))
}

function isWhole(cacheDirectory, tree) {
  const folder = join(cacheDirectory, 'trees', tree)
  const { files } = JSON.parse(readFileSync(join(folder, '.servable.json'), 'utf8'))
  return Object.entries(files).every(([name, bytes]) => statSync(join(folder, name)).size === bytes)
}

function namesIn(directory) {
  return existsSync(directory) ? readdirSync(directory) : []
}

function hashOf(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
