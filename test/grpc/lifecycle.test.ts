import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import type { RequestContext } from '../../src/core/inference.ts'
import { gated, identity } from './models.ts'
import { failure, startServer, type Harness, type Message } from './support.ts'

const call = (model: string, bytes = 4): Message => ({
  model_name: model,
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [bytes] }],
  raw_input_contents: [Buffer.alloc(bytes)],
})

describe('a call', () => {
  let harness: Harness
  beforeAll(async () => {
    harness = await startServer({ identity }, { limits: { maxMessageBytes: 100_000 } })
  })
  afterAll(() => harness.close())

  it('fires the signal when its deadline passes', async () => {
    const slow = gated()
    await harness.add('deadline', slow)
    const { answer } = harness.client.start('ModelInfer', call('deadline'), { deadline: Date.now() + 100 })
    const failed = failure(answer)
    const signal = await slow.started
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    // The caller's clock may run out first: it cancels then, and both mean that nobody waits.
    expect(['deadline_exceeded', 'cancelled']).toContain(InferenceError.from(signal.reason).code)
    expect((await failed).code).toBe(status.DEADLINE_EXCEEDED)
  })

  it('fires the signal when the caller cancels', async () => {
    const slow = gated()
    await harness.add('cancel', slow)
    const { answer, cancel } = harness.client.start('ModelInfer', call('cancel'))
    const failed = failure(answer)
    const signal = await slow.started
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    cancel()
    expect((await failed).code).toBe(status.CANCELLED)
    await aborted
    expect(signal.reason).toMatchObject({ code: 'cancelled' })
  })

  it('fires no signal after its answer', async () => {
    const slow = gated()
    await harness.add('finished', slow)
    const { answer } = harness.client.start('ModelInfer', call('finished'), { deadline: Date.now() + 10_000 })
    const signal = await slow.started
    slow.release()
    await answer
    await harness.client.call('ServerLive', {})
    expect(signal.aborted).toBe(false)
  })

  it('brings its metadata to the model, names in lower case', async () => {
    let seen: RequestContext | undefined
    await harness.add('headers', {
      ...identity,
      preprocess: async (request, context) => {
        seen = context
        return request
      },
    })
    await harness.client.call('ModelInfer', call('headers'), { headers: { 'X-Tenant': 'blue', 'x-request-id': 'r1' } })
    expect(seen).toMatchObject({ protocol: 'grpc-v2', requestId: 'r1' })
    expect(seen?.headers['x-tenant']).toBe('blue')
  })

  it('is refused where its message is too large, by a text that names the setting', async () => {
    const error = await failure(harness.client.call('ModelInfer', call('identity', 100_001)))
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED)
    expect(error.details).toMatch(/100\d+ vs 100000 bytes; --max-request-bytes sets the limit/)
    expect((await harness.client.call('ModelInfer', call('identity', 99_000))).outputs).toHaveLength(1)
  })

  it('tells when to retry in its trailers', async () => {
    await harness.add('busy', {
      ...identity,
      predict: async () => {
        throw new InferenceError('resource_exhausted', 'the queue is full', { retryAfterMs: 1500 })
      },
    })
    const error = await failure(harness.client.call('ModelInfer', call('busy')))
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED)
    expect(error.metadata.get('retry-after')).toEqual(['2'])
    expect(error.metadata.get('grpc-retry-pushback-ms')).toEqual(['1500'])
  })

  it('carries an error text of any length and any characters', async () => {
    await harness.add('talkative', {
      ...identity,
      predict: async () => {
        throw new InferenceError('failed_precondition', `größe 100% \ud800 ${'x'.repeat(100_000)}`)
      },
    })
    const error = await failure(harness.client.call('ModelInfer', call('talkative')))
    expect(error.code).toBe(status.FAILED_PRECONDITION)
    expect(error.details).toMatch(/^größe 100% \ufffd xxx/)
  })

  it('of a method that is not there is UNIMPLEMENTED', async () => {
    const client = harness.connect('grpc.reflection.v1.ServerReflection')
    expect(() => client.call('Nothing', {})).toThrow('no method')
  })
})

describe('an unlimited server', () => {
  it('takes messages above the default limit', async () => {
    const harness = await startServer({ identity }, { limits: { maxMessageBytes: -1 } })
    const size = 65 * 2 ** 20
    const response = await harness.client.call('ModelInfer', call('identity', size))
    expect(response.raw_output_contents[0]?.byteLength).toBe(size)
    await harness.close()
  })
})

describe('draining', () => {
  it('finishes running calls and refuses new ones', async () => {
    const slow = gated()
    const harness = await startServer({ slow, identity })
    const running = harness.client.call('ModelInfer', call('slow'))
    await slow.started
    const drained = harness.server.drain(10_000)
    const error = await failure(harness.client.call('ModelInfer', call('identity')))
    expect(error.code).toBe(status.UNAVAILABLE)
    slow.release()
    expect((await running).outputs).toHaveLength(1)
    await drained
    await harness.close()
  })

  it('cancels what still runs after its deadline', async () => {
    const slow = gated()
    const harness = await startServer({ slow })
    const failed = failure(harness.client.call('ModelInfer', call('slow')))
    const signal = await slow.started
    await harness.server.drain(10)
    await failed
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    expect(signal.aborted).toBe(true)
    await harness.close()
  })

  it('ends idle streams and watches', async () => {
    const harness = await startServer({ identity })
    const stream = harness.client.duplex('ModelStreamInfer')
    const ended = new Promise<{ code: status }>((resolve) => stream.on('status', resolve))
    stream.on('error', () => undefined)
    stream.write({ ...call('identity') })
    await new Promise((resolve) => stream.once('data', resolve))
    await harness.server.drain(10_000)
    expect((await ended).code).toBe(status.UNAVAILABLE)
    await harness.close()
  })

  it('tells why an address cannot be had', async () => {
    const harness = await startServer({})
    await expect(startServerOn(harness.port)).rejects.toMatchObject({ code: 'failed_precondition' })
    await harness.close()
  })
})

async function startServerOn(port: number): Promise<void> {
  const harness = await startServer({})
  try {
    await harness.server.listen('127.0.0.1', port)
  } finally {
    await harness.close()
  }
}
