/** `servable serve --workers`: several processes that are one server to whoever asks. */
import { join } from 'node:path'
import { credentials, makeClientConstructor } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { fixtures } from '../paths.ts'
import { Bench, get, post, type Cli } from './cli-process.ts'
import { Hammer } from './hammer.ts'

const bench = new Bench()
const iris = join(fixtures, 'models', 'iris-logreg', 'model.onnx')
const flower = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] }
const sum = (metrics: string, name: string): number =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
    (all, [, value]) => all + Number(value),
    0,
  )

afterEach(() => bench.close())

interface Group {
  readonly cli: Cli
  readonly url: string
  readonly infer: string
}

async function serve(...more: readonly string[]): Promise<Group> {
  const directory = await bench.model('iris', iris)
  const cli = bench.run(['serve', directory, '--workers', '2', '--http-port', '0', '--grpc-port', '0', ...more])
  const url = await cli.started()
  return { cli, url, infer: `${url}/v2/models/iris/infer` }
}

/** Each from a connection of its own, so that every worker is asked. */
async function askEach(url: string, times = 6): Promise<readonly { status: number; text: string }[]> {
  const answers = []
  for (let time = 0; time < times; time += 1) {
    const response = await fetch(url, { headers: { connection: 'close' } })
    answers.push({ status: response.status, text: await response.text() })
  }
  return answers
}

/** The processes of the workers, by what the metrics tell of each. */
function workersOf(metrics: string): readonly string[] {
  return [...metrics.matchAll(/^process_start_time_seconds\{worker="(\d+)"\}/gm)].map(([, number]) => number ?? '')
}

describe('servable serve --workers 2', () => {
  it('prints one banner and one address, and marks each log line with its worker', async () => {
    const { cli, url } = await serve()
    expect(cli.stdout.match(/REST {2}http/g)).toHaveLength(1)
    expect(cli.stdout).toContain(url)
    expect(cli.logLines.filter(({ msg }) => msg === 'listening')).toHaveLength(1)
    expect(cli.logLines.filter(({ worker }) => typeof worker !== 'number')).toEqual([])
    const loads = cli.logLines.filter(({ msg }) => msg === 'model loaded').map(({ worker }) => worker)
    expect(loads.sort()).toEqual([1, 2])
  })

  it('answers metrics and statistics of all, whichever worker is asked', async () => {
    const { url, infer } = await serve('--no-banner')
    for (let request = 0; request < 10; request += 1) {
      await fetch(infer, { method: 'POST', body: JSON.stringify(flower), headers: { connection: 'close' } })
    }
    for (const { text } of await askEach(`${url}/metrics`, 4)) {
      expect(sum(text, 'servable_requests_total')).toBe(10)
      expect(sum(text, 'servable_request_duration_seconds_count')).toBe(10)
      expect(sum(text, 'servable_model_ready')).toBe(1)
      expect(sum(text, 'servable_workers')).toBe(2)
      expect(workersOf(text)).toEqual(['1', '2'])
    }
    for (const { text } of await askEach(`${url}/v2/models/iris/stats`, 4)) {
      expect(JSON.parse(text)).toMatchObject({
        model_stats: [{ inference_count: 10, inference_stats: { success: { count: 10 } } }],
      })
    }
  })

  it('applies manifests in all workers, whichever is asked, and in one that starts later', async () => {
    const { cli, url } = await serve('--no-banner')
    const path = `${url}/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/flowers`
    const text = `apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: flowers}
spec: {predictor: {model: {modelFormat: {name: onnx}, storageUri: 'file://${iris}'}}}`
    const connection = { connection: 'close' }
    expect((await fetch(path, { method: 'PUT', body: text, headers: connection })).status).toBe(201)
    expect(
      (await fetch(path, { method: 'PUT', body: text, headers: connection })).headers.get('servable-outcome'),
    ).toBe('unchanged')
    const isAnswered = async () => (await askEach(`${url}/v2/models/flowers`)).every(({ status }) => status === 200)
    while (!(await isAnswered())) await new Promise((resolve) => setTimeout(resolve, 20))
    const shown = await askEach(path)
    expect(shown.map((answer) => answer.status)).toEqual(shown.map(() => 200))
    const uids = shown.map((answer) => /"uid":"([^"]+)"/.exec(answer.text)?.[1])
    expect(new Set(uids).size).toBe(1)
    // Two at once, through whichever worker each of them meets.
    const changed = [
      text.replace('predictor: {', 'predictor: {timeout: 20, '),
      text.replace('predictor: {', 'predictor: {timeout: 30, '),
    ]
    const both = await Promise.all(changed.map((body) => fetch(path, { method: 'PUT', body, headers: connection })))
    expect(both.map((response) => response.status)).toEqual([200, 200])
    for (const { text: shownNow } of await askEach(path))
      expect(JSON.parse(shownNow)).toMatchObject({ metadata: { generation: 3 } })
    const [victim] = await childrenOf(cli)
    process.kill(victim ?? 0, 'SIGKILL')
    await cli.logged('worker ended, it is restarted')
    let isBack = false
    const back = cli.logged('worker serves').then(() => (isBack = true))
    const model = `${url}/v2/models/flowers`
    while (!isBack) expect((await askEach(model, 2)).map(({ status }) => status)).toEqual([200, 200])
    await back
    expect((await askEach(model, 20)).map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect((await fetch(path, { method: 'DELETE', headers: connection })).status).toBe(200)
    expect((await askEach(`${url}/v2/models/flowers`)).map(({ status }) => status)).toEqual(Array(6).fill(404))
  })

  it('loads, unloads and changes log settings in all workers before it answers', async () => {
    const { cli, url } = await serve('--no-banner')
    const repository = `${url}/v2/repository/models/iris`
    expect((await post(`${repository}/unload`, {})).status).toBe(200)
    expect((await askEach(`${url}/v2/models/iris/ready`)).map(({ status }) => status)).toEqual(Array(6).fill(503))
    expect((await post(`${repository}/load`, {})).status).toBe(200)
    expect((await askEach(`${url}/v2/models/iris/ready`)).map(({ status }) => status)).toEqual(Array(6).fill(200))
    expect(await post(`${url}/v2/repository/models/nobody/load`, {})).toMatchObject({ status: 404 })
    await post(`${url}/v2/logging`, { log_verbose_level: 1, log_info: false })
    for (const { text } of await askEach(`${url}/v2/logging`)) {
      expect(JSON.parse(text)).toMatchObject({ log_verbose_level: 1, log_info: false })
    }
    await post(`${url}/v2/models/iris/trace/setting`, { trace_rate: '7' })
    for (const { text } of await askEach(`${url}/v2/models/iris/trace/setting`)) {
      expect(JSON.parse(text)).toMatchObject({ trace_rate: '7' })
    }
    cli.kill('SIGTERM')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
  })

  it('leads aliases elsewhere in all workers, for one of several who want to, and in one that starts later', async () => {
    const { cli, url } = await serve('--no-banner')
    const path = `${url}/v2/repository/aliases/flower`
    const body = JSON.stringify({ targets: [{ model: 'iris' }], expected: null })
    const set = () => fetch(path, { method: 'PUT', body, headers: { connection: 'close' } })
    const answers = await Promise.all(Array.from({ length: 6 }, set))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409, 409, 409])
    const model = `${url}/v2/models/flower/ready`
    expect((await askEach(model)).map(({ status }) => status)).toEqual(Array(6).fill(200))
    const [victim] = await childrenOf(cli)
    const isBack = cli.logged('worker serves')
    process.kill(victim ?? 0, 'SIGKILL')
    await isBack
    expect((await askEach(model, 10)).map(({ status }) => status)).toEqual(Array(10).fill(200))
    await fetch(path, { method: 'DELETE', headers: { connection: 'close' } })
    expect((await askEach(model)).map(({ status }) => status)).toEqual(Array(6).fill(404))
  })

  it('shares the gRPC port', async () => {
    const { cli, url } = await serve('--no-banner')
    const address = String((await cli.logged('listening'))['grpc'])
    const bytes = { requestSerialize: (value: Buffer) => value, responseDeserialize: (value: Buffer) => value }
    const path = '/inference.GRPCInferenceService/ServerReady'
    const Client = makeClientConstructor(
      {
        Ready: {
          path,
          requestStream: false,
          responseStream: false,
          requestDeserialize: (value: Buffer) => value,
          responseSerialize: (value: Buffer) => value,
          ...bytes,
        },
      },
      'Service',
    )
    for (let connection = 0; connection < 4; connection += 1) {
      const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
      const answer = await new Promise<Buffer>((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          bytes.requestSerialize,
          bytes.responseDeserialize,
          Buffer.alloc(0),
          (error, value) =>
            error === null && value !== undefined ? resolve(value) : reject(error ?? new Error('no answer')),
        )
      })
      client.close()
      expect([...answer]).toEqual([8, 1])
    }
    expect((await get(`${url}/v2/health/ready`)).status).toBe(200)
  })
})

describe('a worker that dies', () => {
  it('is restarted with its reason in the log, while the others serve and probes stay ready; no counter goes down', async () => {
    const { cli, url, infer } = await serve('--no-banner')
    for (let request = 0; request < 8; request += 1) {
      await fetch(infer, { method: 'POST', body: JSON.stringify(flower), headers: { connection: 'close' } })
    }
    const before = (await get(`${url}/metrics`)).text
    expect(sum(before, 'servable_requests_total')).toBe(8)
    const [victim] = await childrenOf(cli)
    process.kill(victim ?? 0, 'SIGKILL')
    await cli.logged('worker ended, it is restarted')
    let isBack = false
    const back = cli.logged('worker serves').then(() => (isBack = true))
    while (!isBack) expect((await askEach(`${url}/v2/health/ready`, 2)).map(({ status }) => status)).toEqual([200, 200])
    await back
    expect(cli.logLines.find(({ msg }) => msg === 'worker ended, it is restarted')).toMatchObject({ signal: 'SIGKILL' })
    const after = (await get(`${url}/metrics`)).text
    expect(sum(after, 'servable_requests_total')).toBe(8)
    expect(sum(after, 'servable_worker_restarts_total')).toBe(1)
    expect(sum(after, 'servable_workers')).toBe(2)
  })
})

describe('SIGTERM under load', () => {
  it('answers every request, or refuses it with Retry-After, and ends with status 0', async () => {
    const { cli, infer } = await serve('--no-banner')
    const hammer = new Hammer(infer, flower, 32)
    await hammer.answered(300)
    cli.kill('SIGTERM')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    const { lost, ok, unconnected } = await hammer.stop()
    expect(lost).toEqual([])
    expect(ok).toBeGreaterThanOrEqual(300)
    expect(unconnected).toBe(32)
    expect(cli.logLines.at(-1)).toMatchObject({ msg: 'stopped', worker: 0 })
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('drains the same where %s reaches every process', async (signal) => {
    const directory = await bench.model('iris', iris)
    const main = new URL('../../src/cli/main.js', import.meta.url).pathname
    const cli = bench.run(
      ['serve', directory, '--workers', '2', '--http-port', '0', '--grpc-port', '0', '--no-banner'],
      { command: [process.execPath, main] },
    )
    const hammer = new Hammer(`${await cli.started()}/v2/models/iris/infer`, flower, 8)
    await hammer.answered(100)
    cli.kill(signal)
    expect(await cli.ended).toEqual({ status: 0, signal: null })
    expect((await hammer.stop()).lost).toEqual([])
  })
})

describe('SIGHUP', () => {
  it('replaces one worker after the other without a failed request', async () => {
    const { cli, url, infer } = await serve('--no-banner')
    const before = await childrenOf(cli)
    const hammer = new Hammer(infer, flower, 16)
    await hammer.answered(100)
    cli.kill('SIGHUP')
    await cli.logged('rolling restart done')
    await hammer.answered(100)
    const { lost, refused, ok } = await hammer.stop()
    expect({ lost, refused }).toEqual({ lost: [], refused: 0 })
    expect((await childrenOf(cli)).filter((pid) => before.includes(pid))).toEqual([])
    expect(sum((await get(`${url}/metrics`)).text, 'servable_requests_total')).toBe(ok)
  })
})

describe('a group that cannot start', () => {
  it('ends with the reason of its workers: a port that is taken', async () => {
    const { url } = await serve('--no-banner')
    const { port } = new URL(url)
    const directory = await bench.model('iris', iris)
    const { status, stderr } = await bench.output(['serve', directory, '--workers', '2', '--http-port', port])
    expect(status).toBe(1)
    expect(stderr).toContain(`port ${port} on 127.0.0.1 is taken by another program`)
  })

  it('ends with status 2 where there is nothing to serve', async () => {
    const { status, stderr } = await bench.output(['serve', '/nowhere/at/all', '--workers', '2', '--http-port', '0'])
    expect({ status, told: stderr.match(/servable: .*nowhere/g)?.length }).toEqual({ status: 2, told: 1 })
  })

  it('ends with status 1 where a worker dies again and again', async () => {
    const directory = await bench.model('iris', iris)
    const { status, stderr } = await bench.output(['serve', directory, '--workers', '2', '--http-port', '0'], {
      environment: { NODE_OPTIONS: `--import=data:text/javascript,if(process.send)setTimeout(()=>process.abort(),0)` },
    })
    expect(status).toBe(1)
    expect(stderr).toMatch(/servable: worker \d ended 3 times while it started: /)
  })
})

/** Process ids of the workers. */
async function childrenOf(cli: Cli): Promise<readonly number[]> {
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', String(cli.child.pid)])
  return stdout
    .split('\n')
    .filter((line) => line.includes('serve-worker'))
    .map((line) => Number.parseInt(line.trim(), 10))
}
