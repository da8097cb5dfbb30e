/** Compares what trees are served as to the libraries that made them. Prints `N passed, N failed`, or why it was skipped. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const build = process.argv[2] ?? join(here, '..', '..', 'dist')
const scratch = mkdtempSync(join(tmpdir(), 'servable-trees-'))
/** A new one a day finds more than the same for ever; it is printed, and `SERVABLE_SEED` repeats it. */
const seed = process.env.SERVABLE_SEED ?? String(Math.floor(Date.now() / 86_400_000))
try {
  process.exitCode = main()
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function main() {
  if (!existsSync(join(build, 'runtimes', 'trees', 'index.js'))) return skip(`no build in ${build}: npm run build`)
  const environment = join(scratch, 'venv')
  if (run('python3', ['-m', 'venv', environment]) !== 0) return skip('python3 with venv is not installed')
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')
  const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--disable-pip-version-check']
  if (run(python, [...install, '-r', join(here, 'requirements.txt')]) !== 0) {
    return skip('xgboost and lightgbm cannot be installed here')
  }
  const models = join(scratch, 'models')
  console.log(`seed ${seed}`)
  if (run(python, [join(here, 'make_models.py'), models, seed]) !== 0) return 1
  return run(process.execPath, [join(here, 'compare.mjs'), models, build])
}

function run(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1
}

function skip(reason) {
  console.log(`skipped: ${reason}`)
  return 0
}
