/** Makes a fresh clone ready: installs what package-lock.json names, then builds; does neither where it is up to date. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`servable needs Node.js 20.11 or newer; this is ${process.version}`)
  process.exit(1)
}

const lockHash = hashOf(['package-lock.json'])
if (readStamp('node_modules/.servable-installed') !== lockHash) {
  console.error('servable: installing packages …')
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  writeFileSync('node_modules/.servable-installed', lockHash)
}

const sources = ['src', 'runtimes', 'test', 'bench', 'examples'].flatMap((folder) => filesBelow(folder))
const sourceHash = hashOf(['tsconfig.json', 'package-lock.json', ...sources.filter((file) => file.endsWith('.ts'))])
if (readStamp('dist/.servable-built') !== sourceHash) {
  console.error('servable: building …')
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
  mkdirSync('dist', { recursive: true })
  writeFileSync('dist/.servable-built', sourceHash)
}

function run(command, args) {
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (result.error) console.error(`servable: ${command} could not be started: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files.toSorted()) hash.update(file).update('\0').update(readFileSync(file)).update('\0')
  return hash.digest('hex')
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile())
}
