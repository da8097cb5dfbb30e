/**
 * Fetches models from servers of others that speak the protocols of S3 (s3rver) and Azure (azurite), by the clients that users
 * install, and kills a process a hundred times in the midst of downloads and unpackings. The packages are kept in
 * `node_modules/.cache`; where they cannot be installed, the reason is printed. The last line is `N passed, N failed`.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { killings } from './killings.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const dist = process.env.SERVABLE_DIST ?? join(root, 'dist')
const packages = join(root, 'node_modules', '.cache', 'servable-storage')
const scratch = mkdtempSync(join(tmpdir(), 'servable-storage-'))
const installLimitMs = 5 * 60_000
const model = randomBytes(9_000_000)
const labels = Buffer.from('setosa\n')
const endings = []
let passed = 0
let failed = 0
let caches = 0

try {
  await killings({ dist, scratch, check })
  const installed = install()
  if (installed === undefined) {
    // Found by name from where the packages are: what ships, beside the clients that a user would have installed.
    rmSync(join(packages, 'dist'), { recursive: true, force: true })
    cpSync(join(dist, 'src'), join(packages, 'dist', 'src'), { recursive: true })
    const { fetchModel } = await import(pathToFileURL(join(packages, 'dist', 'src', 'storage', 'index.js')).href)
    await s3(fetchModel)
    await azure(fetchModel)
  } else console.log(`skipped: S3 and Azure, ${installed}`)
} finally {
  for (const end of endings.reverse()) await end()
  rmSync(scratch, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function check(what, work) {
  try {
    await work()
    passed += 1
    console.log(`ok: ${what}`)
  } catch (reason) {
    failed += 1
    console.log(`not ok: ${what}\n${reason instanceof Error ? reason.stack : reason}`)
  }
}

/** @returns why the packages are not there */
function install() {
  mkdirSync(packages, { recursive: true })
  copyFileSync(join(here, 'package.json'), join(packages, 'package.json'))
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const { status, stderr } = spawnSync('npm', args, { cwd: packages, encoding: 'utf8', timeout: installLimitMs })
  return status === 0 ? undefined : `the packages cannot be installed: ${stderr.trim().split('\n')[0]}`
}

/** A fetch into a cache of its own, unless one is given. */
function fetchInto(fetchModel, uri, environment, options = {}) {
  const cacheDirectory = options.cacheDirectory ?? join(scratch, `cache-${(caches += 1)}`)
  return fetchModel(uri, { cacheDirectory, environment, limits: { pauseMs: 10 }, ...options })
}

async function refusal(fetching) {
  const reason = await fetching.then(
    () => assert.fail('was fetched'),
    (error) => error,
  )
  assert.equal(reason.name, 'InferenceError')
  return reason
}

async function s3(fetchModel) {
  const require = createRequire(join(packages, 'package.json'))
  const S3rver = require('s3rver')
  const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory: join(scratch, 's3') })
  const { port } = await server.run()
  endings.push(() => server.close())
  const { S3Client, CreateBucketCommand, PutObjectCommand } = require('@aws-sdk/client-s3')
  const environment = {
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
    AWS_DEFAULT_REGION: 'us-east-1',
  }
  const client = new S3Client({
    endpoint: environment.AWS_ENDPOINT_URL,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
  endings.push(() => client.destroy())
  await client.send(new CreateBucketCommand({ Bucket: 'models' }))
  const put = (Key, Body) => client.send(new PutObjectCommand({ Bucket: 'models', Key, Body }))
  await put('iris/1/model.onnx', model)
  await put('iris/labels.txt', labels)
  await put('iris-other/model.onnx', labels)

  await check('S3: a prefix becomes a directory, without its neighbours', async () => {
    const { path } = await fetchInto(fetchModel, 's3://models/iris', environment)
    assert.ok(path.endsWith('/iris'))
    assert.deepEqual(readFileSync(join(path, '1', 'model.onnx')), model)
    assert.deepEqual(readFileSync(join(path, 'labels.txt')), labels)
  })
  await check('S3: an object becomes a file, and is not fetched twice', async () => {
    const cacheDirectory = join(scratch, 'cache-object')
    const first = await fetchInto(fetchModel, 's3://models/iris/1/model.onnx', environment, { cacheDirectory })
    const again = await fetchInto(fetchModel, 's3://models/iris/1/model.onnx', environment, { cacheDirectory })
    assert.deepEqual(readFileSync(first.path), model)
    assert.deepEqual([again.path, again.isCached], [first.path, true])
  })
  await check('S3: of a new version only what is new is fetched', async () => {
    const cacheDirectory = join(scratch, 'cache-versions')
    await fetchInto(fetchModel, 's3://models/iris', environment, { cacheDirectory })
    await put('iris/2/model.onnx', labels)
    let bytes = 0
    const onProgress = (progress) => (bytes = progress.bytes)
    const { path } = await fetchInto(fetchModel, 's3://models/iris', environment, { cacheDirectory, onProgress })
    assert.deepEqual(readFileSync(join(path, '2', 'model.onnx')), labels)
    assert.ok(bytes <= labels.length, `${bytes} bytes came`)
  })
  await check('S3: patterns choose', async () => {
    const { path } = await fetchInto(fetchModel, 's3://models/iris', {
      ...environment,
      STORAGE_IGNORE_PATTERNS: '*.onnx',
    })
    assert.deepEqual(readFileSync(join(path, 'labels.txt')), labels)
    assert.throws(() => readFileSync(join(path, '1', 'model.onnx')))
  })
  await check('S3: what is missing is named', async () => {
    const missing = await refusal(fetchInto(fetchModel, 's3://models/rose', environment))
    assert.equal(missing.message, 'Failed to fetch model. No model found in s3://models/rose.')
    const bucket = await refusal(fetchInto(fetchModel, 's3://flowers/iris', environment))
    assert.deepEqual([bucket.code, bucket.message.includes("bucket 'flowers' not found")], ['not_found', true])
  })
  await check('S3: wrong credentials are named, and not shown', async () => {
    const wrong = { ...environment, AWS_ACCESS_KEY_ID: 'NOBODY', AWS_SECRET_ACCESS_KEY: 'hidden' }
    const { code, message } = await refusal(fetchInto(fetchModel, 's3://models/iris', wrong))
    assert.ok(['unauthenticated', 'permission_denied'].includes(code), code)
    assert.match(message, /AWS_ACCESS_KEY_ID/)
    assert.doesNotMatch(message, /hidden/)
  })
  await check("S3: KServe's STORAGE_CONFIG gives endpoint and keys", async () => {
    const entry = {
      type: 's3',
      bucket: 'elsewhere',
      endpoint_url: environment.AWS_ENDPOINT_URL,
      access_key_id: 'S3RVER',
      secret_access_key: 'S3RVER',
    }
    const config = { STORAGE_CONFIG: JSON.stringify(entry), STORAGE_OVERRIDE_CONFIG: '{"bucket":"models"}' }
    const { path } = await fetchInto(fetchModel, '<scheme-placeholder>://iris/labels.txt', config)
    assert.deepEqual(readFileSync(path), labels)
  })
  await check('S3: a store that is not there is named', async () => {
    const nowhere = { ...environment, AWS_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}`, S3_MAX_ATTEMPTS: '1' }
    const { code, message } = await refusal(fetchInto(fetchModel, 's3://models/iris', nowhere))
    assert.equal(code, 'unavailable')
    assert.match(message, /Failed to connect to S3 endpoint/)
  })
}

async function azure(fetchModel) {
  const port = await freePort()
  const program = join(packages, 'node_modules', 'azurite', 'dist', 'src', 'blob', 'main.js')
  const flags = ['--blobPort', String(port), '--inMemoryPersistence', '--skipApiVersionCheck']
  const server = spawn(process.execPath, [program, ...flags], { cwd: scratch, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  endings.push(() => (server.kill('SIGKILL'), ended))
  await new Promise((resolve, reject) => {
    server.stdout.on('data', (text) => /successfully listens/.test(String(text)) && resolve())
    server.once('exit', () => reject(new Error('azurite has ended')))
  })
  const require = createRequire(join(packages, 'package.json'))
  const { BlobServiceClient } = require('@azure/storage-blob')
  // The account and key that azurite documents for everybody.
  const account = 'devstoreaccount1'
  const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
  const connection = `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/${account};`
  const environment = { AZURE_STORAGE_CONNECTION_STRING: connection }
  const container = BlobServiceClient.fromConnectionString(connection).getContainerClient('models')
  await container.create()
  await container.getBlockBlobClient('iris/1/model.onnx').uploadData(model)
  await container.getBlockBlobClient('iris/labels.txt').uploadData(labels)

  await check('Azure: a prefix becomes a directory', async () => {
    const { path } = await fetchInto(fetchModel, 'azure://models/iris', environment)
    assert.ok(path.endsWith('/iris'))
    assert.deepEqual(readFileSync(join(path, '1', 'model.onnx')), model)
    assert.deepEqual(readFileSync(join(path, 'labels.txt')), labels)
  })
  await check('Azure: a blob becomes a file, and is not fetched twice', async () => {
    const cacheDirectory = join(scratch, 'cache-blob')
    const first = await fetchInto(fetchModel, 'azure://models/iris/1/model.onnx', environment, { cacheDirectory })
    const again = await fetchInto(fetchModel, 'azure://models/iris/1/model.onnx', environment, { cacheDirectory })
    assert.deepEqual(readFileSync(first.path), model)
    assert.deepEqual([again.path, again.isCached], [first.path, true])
  })
  await check('Azure: what is missing is named', async () => {
    const { message } = await refusal(fetchInto(fetchModel, 'azure://models/rose', environment))
    assert.equal(message, 'Failed to fetch model. No model found in azure://models/rose.')
  })
  await check('Azure: a wrong key is named, and not shown', async () => {
    const wrong = { AZURE_STORAGE_CONNECTION_STRING: connection.replace(key, Buffer.from('hidden').toString('base64')) }
    const { code, message } = await refusal(fetchInto(fetchModel, 'azure://models/iris', wrong))
    assert.equal(code, 'permission_denied')
    assert.match(message, /AZURE_STORAGE_ACCESS_KEY/)
    assert.ok(!message.includes(Buffer.from('hidden').toString('base64')))
  })
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
