import { describe, expect, it } from 'vitest'
import { decodeCompletion, decodeCompletionEvent, encodeCompletionRequest } from '../../src/codec/openai-completion.ts'
import type { InferenceRequest } from '../../src/core/inference.ts'
import type { Parameters } from '../../src/core/tensor.ts'
import { tensor } from '../../src/core/tensor.ts'

const bytes = (name: string, texts: readonly (string | Uint8Array)[]) =>
  tensor(
    name,
    'BYTES',
    [texts.length],
    texts.map((text) => Buffer.from(text)),
  )

function request(
  texts: readonly (string | Uint8Array)[],
  parameters?: Parameters,
  sampling?: string,
): InferenceRequest {
  const inputs = [
    bytes('text_input', texts),
    ...(sampling === undefined ? [] : [bytes('sampling_parameters', [sampling])]),
  ]
  return { model: { name: 'm' }, inputs, ...(parameters === undefined ? {} : { parameters }) }
}

const bodyOf = (made: Uint8Array): unknown => JSON.parse(Buffer.from(made).toString())

describe('a completion', () => {
  it('has the text as its prompt and the parameters by their names', () => {
    const parameters = { max_tokens: 5, temperature: 0.5, stream: true, timeout: 7, model: 'x' }
    expect(bodyOf(encodeCompletionRequest(request(['Hé']), 'there', false))).toEqual({ model: 'there', prompt: 'Hé' })
    expect(
      bodyOf(encodeCompletionRequest(request(['a'], parameters, '{"stop":["b"],"max_tokens":6}'), 't', true)),
    ).toEqual({
      max_tokens: 6,
      temperature: 0.5,
      stop: ['b'],
      model: 't',
      prompt: 'a',
      stream: true,
    })
    expect(bodyOf(encodeCompletionRequest(request(['a', 'b']), 't', false))).toEqual({ model: 't', prompt: ['a', 'b'] })
  })

  it.each([
    [request([]), false, /at least one text/],
    [request([Buffer.from([0xff])]), false, /must be UTF-8/],
    [request(['a', 'b']), true, /a stream answers one text/],
    [request(['a'], {}, '[1]'), false, /'sampling_parameters' must be the text of a JSON object/],
  ])('refuses %#', (given, isStream, message) => {
    expect(() => encodeCompletionRequest(given, 'm', isStream)).toThrow(message)
  })

  it('is read in the order of its prompts', () => {
    const body = {
      choices: [
        { index: 1, text: 'b' },
        { index: 0, text: 'a', finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 2 },
    }
    expect(decodeCompletion(Buffer.from(JSON.stringify(body)))).toEqual({
      texts: ['a', 'b'],
      finishReason: 'stop',
      usage: { promptTokens: 2 },
    })
    for (const text of ['<html>', '{}', '{"choices":[1]}', '']) {
      expect(() => decodeCompletion(Buffer.from(text))).toThrow(/no completion/)
    }
  })

  it('comes in events', () => {
    expect(decodeCompletionEvent('{"choices":[{"text":"a"}]}')).toEqual({
      kind: 'text',
      text: 'a',
      finishReason: '',
      usage: {},
    })
    expect(decodeCompletionEvent('{"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}')).toMatchObject({
      text: 'a',
      finishReason: 'length',
    })
    expect(decodeCompletionEvent('{"choices":[],"usage":{"completion_tokens":3}}')).toMatchObject({
      text: '',
      usage: { completionTokens: 3 },
    })
    expect(decodeCompletionEvent('[DONE]')).toEqual({ kind: 'done' })
    expect(() => decodeCompletionEvent('{"error":{"message":"out of memory"}}')).toThrow('out of memory')
    expect(() => decodeCompletionEvent('{"cho')).toThrow(/no completion/)
  })
})
