/** What `npm pack` makes, installed into an empty folder, works: the command, the samples, every door with its types. */
import { execFile } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { root } from '../paths.ts'
import { Bench, get } from './cli-process.ts'
import { curlLinesOf, runCurl } from './curl.ts'
import { readmeBlocks } from './readme-blocks.ts'
import { differences, readSample, sampleNames } from './samples.ts'

const execute = promisify(execFile)
const bench = new Bench()
const installMs = 180_000
/** The compiler checks the types of every dependency too. */
const compileMs = 120_000
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
/** `npm pack` takes what lies in dist/, so this test has to run from there. */
const isPackedBuild = fileURLToPath(new URL('../..', import.meta.url)) === join(root, 'dist/')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

const packed = z.array(z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })).length(1)

describe.skipIf(!isPackedBuild)('the package (skipped: only a build in dist/ can be packed)', () => {
  let folder = ''
  let files: readonly string[] = []
  /** Why nothing was installed: the registry cannot be reached. */
  let withoutRegistry: string | undefined

  beforeAll(async () => {
    folder = await bench.directory()
    const target = await bench.directory()
    const { stdout } = await execute(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', target], {
      cwd: root,
    })
    const [archive] = packed.parse(JSON.parse(stdout))
    files = archive?.files.map(({ path }) => path) ?? []
    await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
    const archivePath = join(target, archive?.filename ?? '')
    try {
      await execute(npm, ['install', ...quiet, '--prefer-offline', archivePath], { cwd: folder, timeout: installMs })
    } catch (reason) {
      if (!/ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|network/.test(String(reason))) throw reason
      withoutRegistry = 'the npm registry cannot be reached'
    }
  }, installMs + 30_000)

  afterAll(() => bench.close())

  it('holds the build, the samples and the licence, and no tests, sources or leftovers', () => {
    const wrong = files.filter(
      (path) => !/^(dist\/(src|runtimes)|models|proto)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path),
    )
    expect(wrong).toEqual([])
    expect(files.filter((path) => /\.test\.|(^|[^.d])\.ts$|tsbuildinfo/.test(path.replace(/\.d\.ts$/, '')))).toEqual([])
    for (const path of ['LICENSE', 'dist/src/cli/main.js', 'dist/src/index.d.ts', 'dist/runtimes/onnx/session.js']) {
      expect(files).toContain(path)
    }
    for (const name of sampleNames) expect(files).toContain(`models/${name}/sample.json`)
  })

  it('says what to do next at `npx servable`', async ({ skip }) => {
    skip(withoutRegistry !== undefined, withoutRegistry)
    const { stdout } = await execute('npx', ['servable'], { cwd: folder })
    expect(stdout).toContain('servable demo')
  })

  it('serves the packaged samples at `npx servable demo`, and ends at Ctrl-C', async ({ skip }) => {
    skip(withoutRegistry !== undefined, withoutRegistry)
    const command = ['npx', 'servable', 'demo', '--http-port', '0', '--grpc-port', '0']
    const cli = bench.run([], { cwd: folder, command })
    const url = await cli.started()
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
    expect(await get(`${url}/docs/swagger-ui.css`)).toMatchObject({ status: 200 })
    for (const line of curlLinesOf(cli.stdout)) {
      const name =
        sampleNames.find((found) => line.includes(`/models/${found}:`) || line.includes(`/models/${found}/`)) ?? ''
      const answer: unknown = JSON.parse(await runCurl(line))
      expect(differences(answer, readSample(name).answer, name)).toEqual([])
    }
    cli.kill('SIGINT')
    await cli.ended
    expect(cli.logLines.at(-1)).toMatchObject({ msg: 'stopped' })
  })

  it.each(['runtime', 'predictor', 'transformer'])(
    'writes a %s project whose test passes, and never over another',
    async (kind) => {
      if (withoutRegistry !== undefined) return
      const name = `my-${kind}`
      await execute('npx', ['servable', 'init', kind, name], { cwd: folder })
      const { stdout } = await execute(process.execPath, ['--test'], { cwd: join(folder, name) })
      expect(stdout).toMatch(/# fail 0|ℹ fail 0/)
      await expect(execute('npx', ['servable', 'init', kind, name], { cwd: folder })).rejects.toThrow('is not empty')
    },
    compileMs,
  )

  it(
    'has types for every door, in a strict project',
    async ({ skip }) => {
      skip(withoutRegistry !== undefined, withoutRegistry)
      await writeProject(folder)
      const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
      const { stdout } = await execute(process.execPath, [compiler, '-p', folder], { cwd: folder }).catch(
        (reason: unknown) => ({ stdout: outputOf(reason) }),
      )
      expect(stdout).toBe('')
    },
    compileMs,
  )

  it(
    'opens every door, and runs the programs of the README',
    async ({ skip }) => {
      skip(withoutRegistry !== undefined, withoutRegistry)
      const { stdout } = await execute(process.execPath, [join(folder, 'out', 'doors.js')], { cwd: folder })
      expect(JSON.parse(stdout)).toEqual(['function', 'function', 'function', 'function', 'function', 'onnx'])
      for (const { line, answer } of readmePrograms()) {
        const ran = await execute(process.execPath, [join(folder, 'out', `readme-${line}.js`)], { cwd: folder })
        expect(ran.stdout).toBe(answer)
      }
    },
    compileMs,
  )
})

/** One that imports all doors of `exports`, and the programs of the README. */
async function writeProject(folder: string): Promise<void> {
  const types = join(folder, 'node_modules', '@types', 'node')
  if (!existsSync(types)) {
    for (const name of ['@types/node', 'undici-types']) {
      await cp(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
    }
  }
  const compilerOptions = {
    ...{ target: 'es2023', lib: ['es2023'], module: 'nodenext', types: ['node'], outDir: 'out' },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, skipLibCheck: false },
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  await writeFile(join(folder, 'doors.ts'), doors)
  for (const { line, text } of readmePrograms()) await writeFile(join(folder, `readme-${line}.ts`), text)
}

const doors = `
import { createServer, defineModel, tensor, type Server, type Tensor } from 'servable'
import { place, type Model, type Runtime } from 'servable/runtime'
import { contractTests } from 'servable/runtime/contract'
import { decodeV2Request, encodeV2Response } from 'servable/codec'
import { createClient } from 'servable/client'
import onnx from 'servable/runtimes/onnx'

export const half = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2) }),
})
export const start = (): Promise<Server> => createServer({ models: { half }, httpPort: 0 })
export const runtime: Runtime = onnx
export const metadataOf = (model: Model): string => model.metadata.platform
export const input: Tensor<'FP32'> = tensor('x', 'FP32', [1], Float32Array.of(1))
export const codec = { decodeV2Request, encodeV2Response }
console.log(JSON.stringify([typeof createServer, typeof place, typeof contractTests, typeof decodeV2Request, typeof createClient, onnx.name]))
`

/** The TypeScript programs of README.md with what they print. */
function readmePrograms(): readonly { readonly line: number; readonly text: string; readonly answer: string }[] {
  const blocks = readmeBlocks()
  return blocks.flatMap(({ language, word, line, text }, index) =>
    language === 'ts' && word === 'run' ? [{ line, text, answer: blocks[index + 1]?.text ?? '' }] : [],
  )
}

function outputOf(reason: unknown): string {
  const { stdout } = z
    .object({ stdout: z.string() })
    .catch({ stdout: String(reason) })
    .parse(reason)
  return stdout
}

/** So that nobody forgets a door here. */
it('tests every door that package.json opens', () => {
  const { exports } = z
    .object({ exports: z.record(z.string(), z.unknown()) })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  for (const door of Object.keys(exports).filter((name) => name !== './package.json')) {
    expect(doors).toContain(`'servable${door.slice(1).replace('*', 'onnx')}'`)
  }
})
