/**
 * Trains a model with TensorFlow, exports and converts it, serves it, and compares what is answered to what TensorFlow itself predicts. Prints
 * `N passed, N failed`, or why it was skipped.
 *
 *     node test/tensorflow/run.mjs [build]
 *
 * SavedModels need @tensorflow/tfjs-node, beside Servable or in NODE_PATH (scripts/install-tensorflow).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const build = resolve(process.argv[2] ?? join(here, '..', '..', 'dist'))
const scratch = mkdtempSync(join(tmpdir(), 'servable-tensorflow-'))
try {
  process.exitCode = main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function main() {
  if (!existsSync(join(build, 'runtimes', 'tensorflow', 'index.js'))) {
    return skip(`no build in ${build}: npm run build`)
  }
  const environment = join(scratch, 'venv')
  if (run('python3', ['-m', 'venv', environment]) !== 0) return skip('python3 with venv is not installed')
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  if (run(python, [...install, '-r', join(here, 'requirements.txt')]) !== 0) {
    return skip('TensorFlow for Python cannot be installed here; it needs Python 3.10 to 3.13')
  }
  const models = join(scratch, 'models')
  if (run(python, [join(here, 'train.py'), models]) !== 0) return 1
  const converter = ['--no-deps', '-r', join(here, 'requirements-converter.txt')]
  if (run(python, [...install, ...converter]) !== 0)
    console.log('no converted models: tensorflowjs cannot be installed')
  else if (run(python, [join(here, 'convert.py'), models]) !== 0) return 1
  return run(process.execPath, [join(here, 'compare.mjs'), models, build])
}

function run(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1
}

function skip(reason) {
  console.log(`skipped: ${reason}`)
  return 0
}
