import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runInfer } from '../../src/cli/infer.ts'
import { simple } from '../grpc/models.ts'
import { startServer, type Harness } from '../grpc/support.ts'
import { catchIo } from './io.ts'

let harness: Harness
beforeAll(async () => {
  harness = await startServer({ simple })
})
afterAll(() => harness.close())

const zeros = Array.from({ length: 16 }, () => 0).join(',')
const inputs = ['--input', `INPUT0=${zeros}`, '--input', `INPUT1=${zeros}`, '--output', 'OUTPUT0', '--json']

async function infer(url: string, ...args: string[]) {
  const io = catchIo(100)
  const status = await runInfer([url, 'simple', ...args, ...inputs], io)
  return { status, out: io.out(), err: io.err() }
}

describe('servable infer over gRPC', () => {
  it.each([
    ['grpc://', []],
    ['grpc://', ['--protocol', 'v1']],
    ['', ['--protocol', 'grpc-v2']],
    ['', ['--protocol', 'grpc-v1']],
  ])('asks %s127.0.0.1 with %j', async (scheme, args) => {
    const { status, out, err } = await infer(`${scheme}127.0.0.1:${harness.port}`, ...args)
    expect([status, err]).toEqual([0, ''])
    expect(JSON.parse(out)).toMatchObject({
      model_name: 'simple',
      outputs: [{ name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16] }],
    })
  })

  it('says where nobody listens', async () => {
    const { status, err } = await infer('grpc://127.0.0.1:1', '--timeout', '1')
    expect(status).toBe(1)
    expect(err).toContain("cannot reach grpc://127.0.0.1:1: connection refused. Is 'servable serve' running")
  })
})
