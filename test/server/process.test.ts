/** A model that crashes its process, seen through REST: its own answers, its state, and its neighbours. */
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '../../src/core/log.ts'
import { createServer } from '../../src/server/server.ts'
import { fixtures, samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: Readonly<Record<string, unknown>>
}

async function start(models: string): Promise<(path: string, body?: unknown) => Promise<Answer>> {
  const server = await createServer({ log: silentLog, httpPort: 0, enableGrpc: false, drainSeconds: 1, models })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  return async (path, body) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`${http}${path}`, init)
    const text = await response.text()
    const parsed = (text === '' ? {} : JSON.parse(text)) as Answer['body']
    return { status: response.status, retryAfter: response.headers.get('retry-after'), body: parsed }
  }
}

async function repository(): Promise<string> {
  return directoryWith({
    'divide/1/model.onnx': await readFile(join(fixtures, 'models', 'crash-int-div', 'model.onnx')),
    'divide/model.yaml': 'placement: process\ninstances: 1\nrun_timeout_seconds: 60\n',
    'add-sub/1/model.onnx': await readFile(join(samples, 'add-sub', '1', 'model.onnx')),
  })
}

function divide(dividend: number, divisor: number): unknown {
  const input = (name: string, value: number) => ({ name, datatype: 'INT32', shape: [1], data: [value] })
  return { inputs: [input('INPUT0', dividend), input('INPUT1', divisor)] }
}

const crash = divide(-2_147_483_648, -1)
const infer = '/v2/models/divide/infer'

describe.skipIf(process.arch !== 'x64')('a model that crashes (skipped: only x86-64 traps on integer overflow)', () => {
  it('fails after five crashes, alone, until it is loaded again', { timeout: 60_000 }, async () => {
    const call = await start(await repository())
    const works = async (): Promise<void> => {
      const answer = await call(infer, divide(9, 2))
      expect(answer).toMatchObject({ status: 200, body: { outputs: [{ data: [4] }] } })
    }
    for (let death = 0; death < 5; death += 1) {
      await vi.waitFor(works, { timeout: 15_000, interval: 20 })
      const text = /^the process of model 'divide' ended by signal SIGFPE while it ran this request/
      expect(await call(infer, crash)).toMatchObject({
        status: 500,
        body: { error: expect.stringMatching(text) as string },
      })
      expect((await call('/v2/models/add-sub/ready')).status).toBe(200)
      const next = await call(infer, divide(9, 2))
      expect(next.status).toBe(503)
      if (death < 4) expect(Number(next.retryAfter)).toBeGreaterThan(0)
    }
    const index = (await call('/v2/repository/index', {})).body
    expect(index).toContainEqual(
      expect.objectContaining({
        name: 'divide',
        state: 'UNAVAILABLE',
        reason: expect.stringMatching(/5 times in a row/) as string,
      }),
    )
    expect((await call('/v2/health/ready')).status).toBe(503)
    expect((await call('/v2/health/live')).status).toBe(200)
    expect((await call('/v2/models/divide/ready')).status).toBe(503)

    expect((await call('/v2/repository/models/divide/load', {})).status).toBe(200)
    await works()
    expect((await call('/v2/health/ready')).status).toBe(200)
  })
})
