/**
 * README.md keeps its word: a block ```` ```sh start ```` starts a server, ```` ```sh run ```` is run against it, ```` answer ````
 * is what is printed, ```` file=… ```` is a file to write first. All happen in a folder of their own, in the order of the page.
 */
import { execFile, spawnSync } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root, samples } from '../paths.ts'
import { Bench, type Cli } from './cli-process.ts'
import { readmeBlocks, type Block } from './readme-blocks.ts'
import { differences } from './samples.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const lacks = ['sh', 'curl', 'base64'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
const blocks = readmeBlocks()
const isRun = ({ language, word }: Block) => language === 'sh' && (word === 'run' || word === 'start')

describe.skipIf(lacks.length > 0)(
  `README.md${lacks.length > 0 ? ` (skipped: no ${lacks.join(', ')} here)` : ''}`,
  () => {
    const bench = new Bench()
    let folder = ''
    let server: Cli | undefined
    let address = ''

    beforeAll(async () => {
      folder = await bench.directory()
      await cp(samples, join(folder, 'models'), { recursive: true })
      await cp(join(root, 'examples'), join(folder, 'examples'), { recursive: true })
    })

    afterAll(() => bench.close())

    it('has commands to run, and a word that is known at every block that has one', () => {
      expect(blocks.filter(isRun).length).toBeGreaterThan(5)
      const words = blocks.map(({ word }) => word).filter((word) => word !== '' && !word.startsWith('file='))
      expect(words.filter((word) => !['run', 'start', 'answer'].includes(word))).toEqual([])
    })

    it.each(blocks.filter((block) => isRun(block) || block.word.startsWith('file=')))(
      'line $line: $word',
      async (block) => {
        if (block.word.startsWith('file=')) return write(block)
        const printed = block.word === 'start' ? await start(block.text) : await run(block.text)
        const next = blocks[blocks.indexOf(block) + 1]
        if (next?.word === 'answer') compare(printed, next)
      },
    )

    async function write({ word, text }: Block): Promise<void> {
      const path = join(folder, word.slice('file='.length))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, text)
    }

    async function start(text: string): Promise<string> {
      server?.kill('SIGTERM')
      await server?.ended
      const args = text
        .trim()
        .replace(/^npx servable /, '')
        .split(' ')
      server = bench.run(args, { cwd: folder, environment: { SERVABLE_HTTP_PORT: '0', SERVABLE_GRPC_PORT: '0' } })
      address = (await server.started()).replace('http://', '')
      return server.stdout
    }

    async function run(text: string): Promise<string> {
      const npx = 'npx() { shift; "$NODE" "$MAIN" "$@"; }'
      const script = `${npx}\n${text.replaceAll('localhost:8080', address)}`
      const env = { ...process.env, NODE: process.execPath, MAIN: main }
      const { stdout } = await promisify(execFile)('sh', ['-e', '-c', script], { cwd: folder, env })
      return stdout
    }

    function compare(printed: string, { language, text }: Block): void {
      if (language === 'json') expect(differences(JSON.parse(printed), JSON.parse(text))).toEqual([])
      else if (text.endsWith('\n…\n')) expect(plain(printed)).toContain(plain(text.slice(0, -2)))
      else expect(plain(printed)).toBe(plain(text))
    }

    /** Without what differs from run to run: the port, milliseconds and the widths that follow from them. */
    function plain(text: string): string {
      return text
        .replaceAll(address, '127.0.0.1:8080')
        .replace(/^(gRPC +\S+):\d+$/gm, '$1:8081')
        .replace(/\d+ ms/g, 'N ms')
        .replace(/[\s─]+/g, ' ')
        .trim()
    }
  },
)

describe('the table of settings in README.md', () => {
  it('is that of the declaration', async () => {
    const script = join(root, 'scripts', 'readme-settings.mjs')
    await expect(promisify(execFile)(process.execPath, [script, '--check'])).resolves.toMatchObject({ stderr: '' })
  })
})
