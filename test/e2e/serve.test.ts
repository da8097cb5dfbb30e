/** `servable serve` and `servable demo` as a user starts them: what they print, log and answer until all is loaded. */
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { fixtures, samples } from '../paths.ts'
import { Bench, get, post } from './cli-process.ts'
import { curlLinesOf, runCurl } from './curl.ts'
import { containing, matching, someText } from './matchers.ts'
import { differences, readSample, sampleNames } from './samples.ts'

const bench = new Bench()
const anyPort = ['--http-port', '0', '--grpc-port', '0']
const iris = join(fixtures, 'models', 'iris-logreg', 'model.onnx')
const broken = join(fixtures, 'models', 'load-failures', 'truncated.onnx')
const flower = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] }

afterEach(() => bench.close())

describe('the samples', () => {
  it('are served by `serve models` with a table and curl lines whose answers are right', async () => {
    const cli = bench.run(['serve', samples, ...anyPort])
    const url = await cli.started()
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
    expect(cli.stdout).toContain(`REST  ${url}`)
    const table = cli.stdout.split('Try:')[0] ?? ''
    for (const heading of ['model', 'version', 'runtime', 'device', 'state', 'load']) expect(table).toContain(heading)
    for (const name of sampleNames) {
      expect(table.split('\n').find((line) => new RegExp(`^\\W*${name} `).test(line))).toMatch(
        /onnx.*cpu.*→.*ready.* ms/,
      )
    }
    const lines = curlLinesOf(cli.stdout)
    expect(lines).toHaveLength(sampleNames.length)
    for (const name of sampleNames) {
      const line = lines.find((found) => found.includes(`/models/${name}:`) || found.includes(`/models/${name}/`)) ?? ''
      const answer: unknown = JSON.parse(await runCurl(line))
      expect(differences(answer, readSample(name).answer, name)).toEqual([])
    }
  })

  it('are served by `demo` from any folder', async () => {
    const cli = bench.run(['demo', ...anyPort], { cwd: await bench.directory() })
    const url = await cli.started()
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 200 })
    expect(curlLinesOf(cli.stdout)).toHaveLength(sampleNames.length)
  })
})

describe('what is logged', () => {
  it('is JSON on standard error, one line each, and the banner alone goes to standard output', async () => {
    const cli = bench.run(['serve', await bench.model('iris', iris), ...anyPort])
    await cli.started()
    const lines = cli.stderr.trimEnd().split('\n')
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ level: someText, msg: someText })
    const messages = cli.logLines.map(({ msg }) => msg)
    expect(messages[0]).toBe('listening')
    expect(messages.slice(-2)).toEqual(['model loaded', 'ready'])
    expect(cli.stdout).not.toMatch(/^\{/m)
  })

  it('is silent and without banner where that is asked for', async () => {
    const port = await freePort()
    const model = await bench.model('iris', iris)
    const cli = bench.run([
      'serve',
      model,
      '--http-port',
      String(port),
      '--grpc-port',
      '0',
      '--no-banner',
      '--log-level=error',
    ])
    await expect.poll(() => statusOf(`http://127.0.0.1:${port}/v2/health/ready`), { timeout: 20_000 }).toBe(200)
    expect(cli).toMatchObject({ stdout: '', stderr: '' })
  })
})

describe('a model that cannot be loaded', () => {
  it('leaves the server alive and not ready, with the reason in log, banner and state', async () => {
    const good = await bench.model('good', iris)
    const bad = await bench.model('bad', broken)
    const cli = bench.run(['serve', good, bad, ...anyPort])
    const url = await cli.started()
    expect(await get(`${url}/v2/health/live`)).toMatchObject({ status: 200 })
    expect(await get(`${url}/v2/health/ready`)).toMatchObject({ status: 503 })
    expect(await post(`${url}/v2/models/good/infer`, flower)).toMatchObject({ status: 200 })
    const refused = await post(`${url}/v2/models/bad/infer`, flower)
    expect(refused).toMatchObject({ status: 503, answer: { error: containing('bad is not ready') } })
    const failure = await cli.logged('model failed to load')
    expect(failure).toMatchObject({ level: 'error', model: 'bad', reason: matching(/\w+/) })
    expect(JSON.stringify(refused.answer)).toContain(JSON.stringify(failure['reason']).slice(1, -1))
    expect(cli.stdout).toContain(`! bad: ${String(failure['reason'])}`)
    expect(cli.stdout).toMatch(/bad .*failed/)
  })

  it('ends the server with status 1 and a termination message where `--exit-on-load-failure` says so', async () => {
    const terminationLog = join(await bench.directory(), 'termination-log')
    await writeFile(terminationLog, '')
    const bad = await bench.model('bad', broken)
    const { status } = await bench.output([
      ...['serve', bad, ...anyPort],
      ...['--exit-on-load-failure', '--termination-log', terminationLog],
    ])
    expect(status).toBe(1)
    expect(await readFile(terminationLog, 'utf8')).toMatch(/^model 'bad' version 1: .+\n$/)
  })

  it('does not create a termination log where there is none', async () => {
    const terminationLog = join(await bench.directory(), 'absent')
    const bad = await bench.model('bad', broken)
    await bench.run(['serve', bad, ...anyPort, `--termination-log=${terminationLog}`]).started()
    await expect(readFile(terminationLog)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('where settings come from', () => {
  it("takes KServe's own spellings, without a command", async () => {
    const directory = await bench.model('anything', iris)
    const cli = bench.run([`--model_name=iris`, `--model_dir=${directory}`, '--http_port=0', '--grpc_port=0'])
    const url = await cli.started()
    expect(await post(`${url}/v1/models/iris:predict`, { instances: [[6.3, 3.3, 6, 2.5]] })).toMatchObject({
      status: 200,
    })
  })

  it('takes the environment and servable.yaml of the folder, flags first', async () => {
    const cwd = await bench.directory()
    const model = await bench.model('iris', iris)
    await writeFile(join(cwd, 'servable.yaml'), `models:\n  - ${model}\nhttp_port: 1\nhost: 127.0.0.3\nbanner: false\n`)
    const cli = bench.run(['serve', '--http-port', '0'], {
      cwd,
      environment: { SERVABLE_HTTP_PORT: '2', SERVABLE_HOST: '127.0.0.2', SERVABLE_GRPC_PORT: '0' },
    })
    expect(await cli.started()).toMatch(/^http:\/\/127\.0\.0\.2:\d{3,}$/)
    expect(cli.stdout).toBe('')
  })
})

describe('a port in use', () => {
  it('is told in one line with what to do', async () => {
    const server = createServer()
    const port = await listening(server)
    const model = await bench.model('iris', iris)
    const { status, stderr } = await bench.output(['serve', model, '--http-port', String(port), '--grpc-port', '0'])
    server.close()
    expect(status).toBe(1)
    expect(stderr).toBe(
      `servable: port ${port} on 127.0.0.1 is taken by another program; choose one with --http-port, or 0 for any free one\n`,
    )
  })
})

function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address: AddressInfo | string | null = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** 0 while nothing listens. */
async function statusOf(url: string): Promise<number> {
  return fetch(url).then(
    ({ status }) => status,
    () => 0,
  )
}
