/**
 * Installs @tensorflow/tfjs-node where the download of its library is closed: the library and its headers come from the Python
 * package tensorflow-cpu, the addon is built with node-gyp against the headers of this Node. What is there already is kept.
 *
 *     node scripts/install-tensorflow.mjs [folder]
 *
 * `folder` gets a `node_modules`; name that in NODE_PATH. Without one it is installed beside Servable, package.json as it was.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the runtime was tested with: a newer wheel may drop functions that the addon calls. */
const versions = { 'tfjs-node': '4.22.0', 'tensorflow-cpu': '2.21.0' }
const own = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = resolve(process.argv[2] ?? own)
const packageFolder = join(folder, 'node_modules', '@tensorflow', 'tfjs-node')
const addon = join(packageFolder, 'lib', 'napi-v8', 'tfjs_binding.node')
const deps = join(packageFolder, 'deps')
const libraries = { tensorflow: 'libtensorflow_cc.so.2', tensorflow_framework: 'libtensorflow_framework.so.2' }

/** The two libraries, and the headers that the addon includes. */
const unpack = `
import sys, zipfile
wanted = ('tensorflow/include/tensorflow/c/', 'tensorflow/include/tensorflow/core/platform/', 'tensorflow/include/xla/tsl/', 'tensorflow/include/tsl/')
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if name.startswith(wanted) or name in ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'):
            wheel.extract(name, sys.argv[2])
`

if (process.platform !== 'linux') fail('this works on Linux; elsewhere: npm install @tensorflow/tfjs-node')
installPackage()
if (existsSync(addon)) say(`${addon} is there`)
else {
  fetchLibrary()
  buildAddon()
}
tryIt()

function installPackage() {
  if (existsSync(join(packageFolder, 'package.json'))) return say(`${packageFolder} is there`)
  mkdirSync(folder, { recursive: true })
  const name = `@tensorflow/tfjs-node@${versions['tfjs-node']}`
  say(`installing ${name} into ${folder}`)
  const options = ['--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  run('npm', ['install', ...options, name], `npm could not install ${name}`)
}

function fetchLibrary() {
  const lib = join(deps, 'lib')
  if (Object.values(libraries).every((file) => existsSync(join(lib, file)))) return say(`${lib} is there`)
  const scratch = join(packageFolder, 'wheel')
  mkdirSync(scratch, { recursive: true })
  mkdirSync(lib, { recursive: true })
  const wheel = `tensorflow-cpu==${versions['tensorflow-cpu']}`
  say(`downloading ${wheel} (about 270 MB)`)
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--dest', scratch, wheel]
  run('python3', pip, `pip could not download ${wheel}; it needs Python 3.10 to 3.13 on x64 or arm64`)
  const [file] = readdirSync(scratch).filter((name) => name.endsWith('.whl'))
  if (file === undefined) fail('pip downloaded no wheel')
  say(`unpacking ${file}`)
  run('python3', ['-c', unpack, join(scratch, file), scratch], `${file} could not be unpacked`)
  for (const [name, library] of Object.entries(libraries)) {
    renameSync(join(scratch, 'tensorflow', library), join(lib, library))
    rmSync(join(lib, `lib${name}.so`), { force: true })
    symlinkSync(library, join(lib, `lib${name}.so`)) // the addon links with -ltensorflow
  }
  rmSync(join(deps, 'include'), { recursive: true, force: true })
  renameSync(join(scratch, 'tensorflow', 'include'), join(deps, 'include'))
  rmSync(scratch, { recursive: true })
}

function buildAddon() {
  const gyp = nodeGyp()
  const headers = process.env.npm_config_nodedir ?? dirname(dirname(process.execPath))
  const hasHeaders = existsSync(join(headers, 'include', 'node', 'node_api.h'))
  say(
    hasHeaders ? `building the addon with the headers in ${headers}` : 'building the addon; node-gyp downloads headers',
  )
  const variables = ['module_name=tfjs_binding', `module_path=${dirname(addon)}`, 'napi_build_version=8']
  const options = hasHeaders ? ['--nodedir', headers] : []
  const args = [gyp, 'rebuild', ...options, '--', ...variables.map((one) => `-D${one}`)]
  run(process.execPath, args, 'the addon could not be built; it needs python3, make and a C++ compiler', packageFolder)
  rmSync(join(packageFolder, 'build'), { recursive: true, force: true })
}

/** node-gyp comes with npm. */
function nodeGyp() {
  const { stdout } = spawnSync('npm', ['root', '--global'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const beside = join(dirname(dirname(process.execPath)), 'lib', 'node_modules')
  const places = [stdout.trim(), beside].map((place) =>
    join(place, 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
  )
  return places.find((place) => existsSync(place)) ?? fail(`node-gyp was not found: ${places.join(', ')}`)
}

function tryIt() {
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'))
  process.env.TF_CPP_MIN_LOG_LEVEL = '2'
  const require = createRequire(join(packageFolder, 'package.json'))
  require('node:util').isNullOrUndefined ??= (value) => value === undefined || value === null // gone since Node 23
  try {
    const binding = require(addon)
    say(
      `@tensorflow/tfjs-node ${version} with TensorFlow ${binding.TF_Version} is ready in ${join(folder, 'node_modules')}`,
    )
  } catch (reason) {
    rmSync(addon, { force: true })
    fail(`the addon was built and cannot be loaded: ${reason.message}`)
  }
}

function run(command, args, otherwise, cwd = folder) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) fail(error === undefined ? otherwise : `${otherwise}: ${error.message}`)
}

function say(text) {
  console.log(`install-tensorflow: ${text}`)
}

function fail(text) {
  console.error(`install-tensorflow: failed: ${text}`)
  process.exit(1)
}
