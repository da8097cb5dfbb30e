/** A fresh clone in an empty folder: `npm start` installs, builds and serves. Takes minutes, so `scripts/ci.mjs` asks for it. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { root } from '../paths.ts'
import { Bench, get } from './cli-process.ts'
import { curlLinesOf, runCurl } from './curl.ts'
import { differences, readSample } from './samples.ts'

const installMs = 540_000

function reasonToSkip(): string | undefined {
  if (process.env['SERVABLE_FRESH_CLONE'] !== '1') return 'SERVABLE_FRESH_CLONE=1 is not set'
  if (!existsSync(join(root, '.git'))) return 'this is no git checkout'
  return undefined
}

const reason = reasonToSkip()

describe.skipIf(reason !== undefined)(`a fresh clone${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const bench = new Bench()
  afterAll(() => bench.close(), 60_000)

  it(
    'serves the samples at `npm start` alone, and ends at Ctrl-C',
    async () => {
      const clone = join(await bench.directory(), 'servable')
      await promisify(execFile)('git', ['clone', '--quiet', '--no-hardlinks', root, clone])
      const environment = { SERVABLE_HTTP_PORT: '0', SERVABLE_GRPC_PORT: '0' }
      const cli = bench.run([], { cwd: clone, command: ['npm', 'start'], environment })
      const url = await cli.started()
      expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
      const line = curlLinesOf(cli.stdout).find((found) => found.includes('/models/iris/')) ?? ''
      const answer: unknown = JSON.parse(await runCurl(line))
      expect(differences(answer, readSample('iris').answer)).toEqual([])
      cli.kill('SIGINT')
      await cli.ended
      expect(cli.logLines.at(-1)).toMatchObject({ msg: 'stopped' })
    },
    installMs,
  )
})
