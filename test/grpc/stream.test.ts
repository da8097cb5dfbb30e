import { status, type ServiceError } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gated, identity, words } from './models.ts'
import { startServer, type Answer, type CallOptions, type Harness, type Message } from './support.ts'

let harness: Harness
beforeAll(async () => {
  harness = await startServer({ identity, words })
})
afterAll(() => harness.close())

interface Streamed {
  readonly answers: readonly Answer[]
  readonly error: ServiceError | undefined
}

/** Sends all requests at once and collects what comes back. */
function stream(requests: readonly Message[], options: CallOptions = {}): Promise<Streamed> {
  const call = harness.client.duplex('ModelStreamInfer', options)
  const answers: Answer[] = []
  for (const request of requests) call.write(request)
  call.end()
  return new Promise((resolve) => {
    let error: ServiceError | undefined
    call.on('data', (answer: Answer) => answers.push(answer))
    call.on('error', (reason: ServiceError) => (error = reason))
    call.on('status', () => resolve({ answers, error }))
  })
}

const echo = (id: string, model = 'identity'): Message => ({
  id,
  model_name: model,
  inputs: [{ name: 'x', datatype: 'INT32', shape: [1], contents: { int_contents: [Number(id)] } }],
})
const broken = (id: string): Message => ({
  id,
  model_name: 'identity',
  inputs: [{ name: 'x', datatype: 'INT32', shape: [1] }],
})
const prompt = (extra: Message = {}): Message => ({
  id: 'p',
  model_name: 'words',
  inputs: [
    { name: 'prompt', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('What is it')] } },
  ],
  ...extra,
})
const isFinal = ({ infer_response }: Answer) => infer_response.parameters['triton_final_response']?.['bool_param']

describe('ModelStreamInfer', () => {
  it('answers each request, an invalid one by a message with its id, in order', async () => {
    const { answers, error } = await stream([echo('1'), broken('2'), echo('3')])
    expect(error).toBeUndefined()
    expect(answers.map(({ infer_response }) => infer_response.id)).toEqual(['1', '2', '3'])
    expect(answers.map(({ error_message }) => error_message)).toEqual([
      '',
      "unable to find data for input tensor 'x' for model 'identity' in request.",
      '',
    ])
    expect(answers.map(isFinal)).toEqual([true, true, true])
  })

  it('names an unknown model in the stream', async () => {
    const { answers, error } = await stream([echo('1', 'nope')])
    expect(error).toBeUndefined()
    expect(answers[0]?.error_message).toBe('Model with name nope does not exist.')
  })

  it('ends with a real status where the caller asks for it', async () => {
    const { error } = await stream([broken('2')], { headers: { triton_grpc_error: 'true' } })
    expect(error?.code).toBe(status.INVALID_ARGUMENT)
  })

  it('sends every response of a decoupled model', async () => {
    const { answers } = await stream([prompt()])
    expect(answers.map(({ infer_response }) => infer_response.raw_output_contents[0]?.subarray(4).toString())).toEqual([
      'What',
      'is',
      'it',
    ])
    expect(answers.map(isFinal)).toEqual([false, false, false])
  })

  it('sends an empty last response where the caller asks for it', async () => {
    const { answers } = await stream([
      prompt({ parameters: { triton_enable_empty_final_response: { bool_param: true } } }),
    ])
    expect(answers.map(isFinal)).toEqual([false, false, false, true])
    expect(answers.at(-1)?.infer_response).toMatchObject({ id: 'p', model_name: 'words', outputs: [] })
  })

  it('keeps the order of requests whatever finishes first', async () => {
    const slow = gated()
    await harness.add('slow', slow)
    const call = harness.client.duplex('ModelStreamInfer')
    const answers: Answer[] = []
    const ended = new Promise((resolve) => call.on('status', resolve))
    call.on('data', (answer: Answer) => answers.push(answer))
    call.write(echo('1', 'slow'))
    call.write(echo('2'))
    await slow.started
    await harness.client.call('ServerLive', {})
    expect(answers).toEqual([])
    slow.release()
    call.end()
    await ended
    expect(answers.map(({ infer_response }) => infer_response.id)).toEqual(['1', '2'])
  })

  it('takes far more requests than may run at once', async () => {
    const ids = Array.from({ length: 500 }, (_, index) => String(index))
    const { answers } = await stream(ids.map((id) => echo(id)))
    expect(answers.map(({ infer_response }) => infer_response.id)).toEqual(ids)
  })

  it('fires the signal of a running request when the caller cancels', async () => {
    const slow = gated()
    await harness.add('cancelled', slow)
    const call = harness.client.duplex('ModelStreamInfer')
    call.on('error', () => undefined)
    call.write(echo('1', 'cancelled'))
    const signal = await slow.started
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    call.cancel()
    await aborted
    expect(signal.reason).toMatchObject({ code: 'cancelled' })
  })
})
