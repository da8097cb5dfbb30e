/**
 * Runs the clients of others against the built server: Triton's, KServe's, TensorFlow Serving's, OpenAI's, and ones generated from
 * `proto/` and `/openapi.json`; and the servers of others behind it: llama.cpp and MLServer, launched by it. Each suite has a Python environment with pinned packages; where that cannot be made the
 * suite prints why it is skipped. The last line is `N passed, N failed`, or begins with `skipped:` where nothing ran.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))
const dist = process.env.SERVABLE_DIST ?? join(root, 'dist')
const cache = join(root, 'node_modules', '.cache', 'servable-interop')
const scratch = mkdtempSync(join(tmpdir(), 'servable-interop-'))
/** The largest takes two minutes alone on a quiet machine; three are made at a time. */
const installLimitMs = 10 * 60_000
const testLimitMs = 8 * 60_000

const environments = {
  common: { files: ['requirements.txt'] },
  kserve: { files: ['requirements-kserve.txt'] },
  openai: { files: ['requirements-openai.txt'] },
  mlserver: { files: ['requirements-mlserver.txt'] },
  tensorflow: { files: ['requirements-tensorflow.txt'], alone: ['tensorflow-serving-api==2.21.0'] },
}
const suites = [
  { name: 'tritonclient', environment: 'common', tests: ['test_triton_http.py', 'test_triton_grpc.py'] },
  { name: 'stubs generated from proto/', environment: 'common', tests: ['test_generated.py'] },
  { name: 'kserve', environment: 'kserve', tests: ['test_kserve.py'] },
  {
    name: 'tensorflow-serving-api',
    environment: 'tensorflow',
    otherwise: { environment: 'common', name: 'TensorFlow Serving by stubs generated from proto/' },
    tests: ['test_tensorflow_serving.py'],
  },
  { name: 'openai, and llama.cpp launched by Servable', environment: 'openai', tests: ['test_openai.py'] },
  { name: 'scikit-learn by MLServer launched by Servable', environment: 'mlserver', tests: ['test_mlserver.py'] },
  { name: 'schemathesis', environment: 'common', tests: ['test_openapi.py'] },
]
let passed = 0
let failed = 0
const children = []

try {
  await main()
} finally {
  for (const child of children) child.kill('SIGTERM')
  rmSync(scratch, { recursive: true, force: true })
}

async function main() {
  const python = findPython()
  if (python === undefined)
    return console.log('skipped: no python3 (3.10 or newer) with the module venv on this machine')
  const ready = Object.fromEntries(
    Object.entries(environments).map(([name, environment]) => [name, makeEnvironment(python, name, environment)]),
  )
  const addresses = await startServers()
  for (const suite of suites) await runSuite(suite, ready, addresses)
  runGrpcurl(addresses)
  runPerfAnalyzer(addresses)
  if (passed + failed === 0) return console.log('skipped: no suite could be installed, the reasons are above')
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

function findPython() {
  const check = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'
  return ['python3', 'python'].find((name) => spawnSync(name, ['-c', check], { stdio: 'ignore' }).status === 0)
}

/** A virtual environment, kept as long as what it was asked to hold. Resolves to its `bin`, or to why there is none. */
async function makeEnvironment(python, name, { files, alone = [] }) {
  const requirements = files.map((file) => readFileSync(join(here, file), 'utf8')).join('\n') + alone.join('\n')
  const stamp = createHash('sha256').update(requirements).digest('hex')
  const folder = join(cache, name)
  const bin = join(folder, 'bin')
  const stampFile = join(folder, 'stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return { bin }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const started = Date.now()
  const pip = [
    join(bin, 'pip'),
    'install',
    '--quiet',
    '--no-cache-dir',
    '--only-binary=:all:',
    '--retries=1',
    '--timeout=20',
  ]
  const steps = [
    [python, '-m', 'venv', folder],
    [...pip, ...files.flatMap((file) => ['-r', join(here, file)])],
    ...(alone.length === 0 ? [] : [[...pip, '--no-deps', ...alone]]),
  ]
  for (const [command, ...args] of steps) {
    const left = installLimitMs - (Date.now() - started)
    const { status, output } = await run(command, args, left)
    if (status !== 0) {
      rmSync(folder, { recursive: true, force: true })
      const text = output.trim().split('\n').at(-1)
      return { reason: status === undefined ? `its packages did not install within ${installLimitMs / 1000} s` : text }
    }
  }
  writeFileSync(stampFile, stamp)
  console.log(`installed the packages of '${name}' in ${((Date.now() - started) / 1000).toFixed(0)} s`)
  return { bin }
}

/** @returns `status` undefined where it did not end within the time */
function run(command, args, limitMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ status: undefined, output })
    }, limitMs)
    const end = (status, reason = '') => {
      clearTimeout(timer)
      resolve({ status, output: output + reason })
    }
    child.on('error', (reason) => end(1, reason.message))
    child.on('close', (status) => end(status ?? 1))
  })
}

/** The command with the sample models, and a program with models that no file holds. */
async function startServers() {
  const models = join(scratch, 'models')
  const fixtures = join(root, 'test', 'fixtures', 'models')
  for (const name of ['iris', 'iris-labels', 'digits', 'add-sub'])
    cpSync(join(root, 'models', name), join(models, name), { recursive: true })
  for (const name of ['identity-all-dtypes', 'identity-bytes', 'identity-fp32', 'slow-5ms', 'slow-100ms']) {
    cpSync(join(fixtures, name), join(models, name), { recursive: true })
  }
  const flags = ['--http-port', '0', '--grpc-port', '0', '--log-format', 'json', '--no-banner']
  const command = await startServer([join(dist, 'src', 'cli', 'main.js'), 'serve', models, ...flags])
  const program = await startServer([join(here, 'program.mjs'), join(dist, 'src', 'index.js')])
  return {
    SERVABLE_HTTP: command.http,
    SERVABLE_GRPC: command.grpc,
    PROGRAM_HTTP: program.http,
    PROGRAM_GRPC: program.grpc,
    SERVABLE_DIST: dist,
    SERVABLE_SHARED: join(root, '..', 'shared'),
  }
}

/** Starts a server and waits until it says that it is ready; shows what it logs beyond information. */
function startServer(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: scratch, stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    const addresses = {}
    const take = (line) => {
      const { msg, level, http, grpc } = line.startsWith('{') ? JSON.parse(line) : { level: 'error' }
      if (level === 'error') console.error(line)
      if (msg === 'listening') Object.assign(addresses, { http: new URL(http).host, grpc })
      if (msg === 'ready') resolve(addresses)
    }
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', take)
    child.on('exit', (status) => reject(new Error(`the server ended with status ${status}: ${args.join(' ')}`)))
  })
}

async function runSuite({ name, environment, otherwise, tests }, ready, addresses) {
  console.log(`\n== ${name}`)
  const { bin, reason } = await ready[environment]
  if (bin === undefined) {
    console.log(`skipped: ${name}: ${reason}`)
    if (otherwise !== undefined) await runSuite({ ...otherwise, tests }, ready, addresses)
    return
  }
  const report = join(scratch, `${environment}-${tests[0]}.xml`)
  const args = ['-q', '-rs', '--tb=short', '-p', 'no:cacheprovider', `--junitxml=${report}`, `--rootdir=${here}`]
  const { status } = spawnSync(join(bin, 'pytest'), [...args, ...tests.map((test) => join(here, test))], {
    cwd: scratch,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: testLimitMs,
    env: { ...process.env, ...addresses, PYTHONDONTWRITEBYTECODE: '1', PATH: `${bin}${delimiter}${process.env.PATH}` },
  })
  count(status, report)
}

/** Adds up what pytest reports; a run without a report is one failure. */
function count(status, report) {
  const suite = existsSync(report) ? /<testsuite [^>]*>/.exec(readFileSync(report, 'utf8'))?.[0] : undefined
  if (suite === undefined) {
    console.log(`failed: the tests gave no report (status ${status})`)
    failed += 1
    return
  }
  const [tests, failures, errors, skipped] = ['tests', 'failures', 'errors', 'skipped'].map((name) =>
    Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0),
  )
  passed += tests - failures - errors - skipped
  failed += failures + errors
}

function isThere(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).error === undefined
}

/** A client that knows no .proto file: it reads them from the server. */
function runGrpcurl({ SERVABLE_GRPC: address }) {
  console.log('\n== grpcurl')
  if (!isThere('grpcurl', ['-version'])) return console.log('skipped: grpcurl: no such command on this machine')
  const call = (...args) => spawnSync('grpcurl', ['-plaintext', ...args], { encoding: 'utf8', timeout: 20_000 })
  check('lists the services', call(address, 'list').stdout.includes('inference.GRPCInferenceService'))
  const metadata = call('-d', '{"name":"iris"}', address, 'inference.GRPCInferenceService/ModelMetadata')
  check('asks for metadata', metadata.stdout.includes('"probabilities"'), metadata.stderr)
  const described = call(address, 'describe')
  check('describes every service', described.status === 0, described.stderr)
}

/** Wheels of tritonclient before 2.42 carried it; it needs libraries that they did not. */
function runPerfAnalyzer({ SERVABLE_HTTP, SERVABLE_GRPC }) {
  console.log('\n== perf_analyzer')
  if (!isThere('perf_analyzer', ['--version'])) {
    return console.log(
      "skipped: perf_analyzer: no such command on this machine, and no wheel carries one that runs: PyPI's perf-analyzer is an " +
        'empty placeholder, and the one in tritonclient up to 2.41 needs libb64 and libcudart, which come with neither',
    )
  }
  for (const [protocol, address] of [
    ['http', SERVABLE_HTTP],
    ['grpc', SERVABLE_GRPC],
  ]) {
    const shapes = ['--shape', 'INPUT0:1,16', '--shape', 'INPUT1:1,16']
    const args = ['-m', 'add-sub', '-u', address, '-i', protocol, ...shapes, '-p', '1000', '-s', '90', '-r', '3']
    const { stdout = '', stderr = '' } = spawnSync('perf_analyzer', args, { encoding: 'utf8', timeout: 60_000 })
    // A machine with other work gives no stable figure: what counts is that requests were answered.
    const isMeasured = /throughput: [1-9]|stable measurement/.test(stdout + stderr)
    check(`measures over ${protocol}`, isMeasured && !/^error/m.test(stderr), stdout + stderr)
  }
}

function check(name, isRight, details = '') {
  console.log(`${isRight ? 'passed' : 'FAILED'}: ${name}${isRight ? '' : `\n${details}`}`)
  if (isRight) passed += 1
  else failed += 1
}
