/** SIGTERM and Ctrl-C: what runs is finished, what is new is refused, and the process ends in time. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { fixtures } from '../paths.ts'
import { Bench, get, post } from './cli-process.ts'
import { containing } from './matchers.ts'

const bench = new Bench()
const iris = join(fixtures, 'models', 'iris-logreg', 'model.onnx')
const flower = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] }
/** Holds each request until the file `release` is there; `started` tells that one is held. */
const gate = `
import { existsSync, writeFileSync } from 'node:fs'
const here = (name) => new URL(name, import.meta.url)
export async function preprocess(request) {
  writeFileSync(here('started'), '')
  while (!existsSync(here('release'))) await new Promise((resolve) => setTimeout(resolve, 5))
  return request
}
`

afterEach(() => bench.close())

async function serveGated(...more: readonly string[]) {
  const directory = await bench.model('gated', iris, { 'hooks.mjs': gate, 'model.yaml': 'hooks: ./hooks.mjs\n' })
  const cli = bench.run(['serve', directory, '--http-port', '0', '--grpc-port', '0', '--no-banner', ...more])
  const url = await cli.started()
  const held = post(`${url}/v2/models/gated/infer`, flower)
  await expect.poll(() => existsSync(join(directory, 'started')), { interval: 5 }).toBe(true)
  return { cli, url, held, release: () => writeFile(join(directory, 'release'), '') }
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('lets the running request finish, refuses new ones with 503 and ends with status 0', async () => {
    const { cli, url, held, release } = await serveGated()
    cli.kill(signal)
    await cli.logged('draining')
    const refused = await post(`${url}/v2/models/gated/infer`, flower)
    expect(refused).toMatchObject({ status: 503, answer: { error: containing('shutting down') } })
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 503 })
    expect(await get(`${url}/v2/health/live`)).toMatchObject({ status: 200 })
    await release()
    expect(await held).toMatchObject({ status: 200, answer: { model_name: 'gated' } })
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    expect(cli.logLines.at(-1)).toMatchObject({ msg: 'stopped' })
  })

  it('ends an idle server at once', async () => {
    const cli = bench.run(['serve', await bench.model('iris', iris), '--http-port', '0', '--grpc-port', '0'])
    const url = await cli.started()
    await get(url) // leaves an idle connection open
    const started = performance.now()
    cli.kill(signal)
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('a drain', () => {
  it('is cut off after --drain-seconds, even where a call never ends', async () => {
    const { cli, held } = await serveGated('--drain-seconds', '1')
    const started = performance.now()
    const answer = held.catch((reason: unknown) => reason)
    cli.kill('SIGTERM')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(cli.logLines.map(({ msg }) => msg)).toContain('drain deadline passed, running calls are cut off')
    await answer
  })

  it('is given up at a second Ctrl-C', async () => {
    const { cli, held } = await serveGated()
    const answer = held.catch((reason: unknown) => reason)
    cli.kill('SIGINT')
    await cli.logged('draining')
    cli.kill('SIGINT')
    expect(await cli.ended).toEqual({ status: 130, signal: null })
    await answer
  })
})
