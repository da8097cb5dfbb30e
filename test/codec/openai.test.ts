import { describe, expect, it } from 'vitest'
import { encodeEvent, eventData, EventSplitter } from '../../src/codec/event-splitter.ts'
import { scanOpenAiBody, withModel } from '../../src/codec/openai-body.ts'
import { encodeOpenAiError, errorMessageOf } from '../../src/codec/openai-error.ts'
import { bringsText, usageOf } from '../../src/codec/openai-usage.ts'

const bytes = (text: string) => Buffer.from(text)

describe('the body of an OpenAI request', () => {
  it('tells its model and whether it streams', () => {
    const call = scanOpenAiBody(bytes(' {"messages":[{"model":"no"}], "stream" : true ,"model" : "m\\u0061" }'))
    expect(call).toMatchObject({ model: 'ma', isStream: true })
    expect(scanOpenAiBody(bytes('{"stream":null,"model":null}'))).toEqual({
      model: undefined,
      isStream: false,
      modelSpans: [],
    })
  })

  it('keeps every byte beside the name', () => {
    const body = bytes('{"a":1.50, "model":"x","n":12345678901234567890,"model" :"é"}')
    const call = scanOpenAiBody(body)
    expect(call.model).toBe('é')
    expect(Buffer.from(withModel(body, call, 'a "b"')).toString()).toBe(
      '{"a":1.50, "model":"a \\"b\\"","n":12345678901234567890,"model" :"a \\"b\\""}',
    )
    expect(withModel(bytes('{}'), scanOpenAiBody(bytes('{}')), 'x').toString()).toBe('{}')
  })

  it.each([
    ['[]', /must be a JSON object/],
    ['{"model":1}', /'model' must be a string, got 1/],
    ['{"model":"x"} x', /offset/],
    ['{"model":"x"', /offset/],
    ['', /empty/],
  ])('refuses %s', (text, message) => {
    expect(() => scanOpenAiBody(bytes(text))).toThrow(message)
  })
})

describe('server-sent events', () => {
  const stream = 'data: 1\n\n: comment\r\n\r\nevent: x\rdata: 2\rdata:3\r\rdata: 4\n\n\ndata: 5'

  it.each([1, 2, 3, 7, 1000])('are cut the same however they arrive, %i bytes at a time', (size) => {
    const splitter = new EventSplitter()
    const events: Buffer[] = []
    for (let from = 0; from < stream.length; from += size) {
      events.push(...splitter.push(bytes(stream.slice(from, from + size))).map((event) => Buffer.from(event)))
    }
    const rest = Buffer.from(splitter.rest()).toString()
    expect(events.map(eventData)).toEqual(['1', undefined, '2\n3', '4'])
    expect(Buffer.concat(events).toString() + rest).toBe(stream)
    expect(eventData(bytes(rest))).toBe('5')
  })

  it('of any length are not held without bound', () => {
    const splitter = new EventSplitter()
    const piece = Buffer.alloc(600 * 1024, 'x')
    expect(splitter.push(piece)).toEqual([])
    expect(splitter.push(piece).map((event) => event.length)).toEqual([1200 * 1024])
    expect(splitter.rest()).toHaveLength(0)
  })

  it('are written as they are read', () => {
    expect(eventData(bytes(encodeEvent('{"a":1}')))).toBe('{"a":1}')
  })
})

describe('the tokens of an answer', () => {
  it('are those of completions and of responses', () => {
    expect(usageOf('{"usage":{"prompt_tokens":3,"completion_tokens":4}}')).toEqual({
      promptTokens: 3,
      completionTokens: 4,
    })
    expect(usageOf('{"response":{"usage":{"input_tokens":1,"output_tokens":0}}}')).toEqual({
      promptTokens: 1,
      completionTokens: 0,
    })
    expect(usageOf('{"usage":{"prompt_tokens":8}}')).toEqual({ promptTokens: 8 })
  })

  it('are unknown where they are not told, or told wrongly', () => {
    for (const text of [
      '{"usage":null}',
      '{"usage"',
      '{}',
      '{"usage":{"prompt_tokens":-1}}',
      '{"usage":[]}',
      '"usage"',
    ]) {
      expect(usageOf(text)).toBeUndefined()
    }
  })

  it('come with events that bring text', () => {
    expect(bringsText('{"choices":[{"delta":{"role":"assistant","content":""}}]}')).toBe(false)
    expect(bringsText('{"choices":[{"delta":{"content":"a"}}]}')).toBe(true)
    expect(bringsText('{"choices":[{"text": "\\"", "index":0}]}')).toBe(true)
    expect(bringsText('{"choices":[{"delta":{},"finish_reason":"stop"}]}')).toBe(false)
  })
})

describe('an OpenAI error', () => {
  it('has its four members', () => {
    expect(JSON.parse(encodeOpenAiError(404, 'no', { param: 'model', code: 'model_not_found' }))).toEqual({
      error: { message: 'no', type: 'not_found_error', param: 'model', code: 'model_not_found' },
    })
    expect(JSON.parse(encodeOpenAiError(400, 'no'))).toEqual({
      error: { message: 'no', type: 'invalid_request_error', param: null, code: '400' },
    })
    expect(encodeOpenAiError(500, '')).toContain('"server_error"')
  })

  it('is read in the shapes that servers give it', () => {
    expect(errorMessageOf('{"error":{"message":"a"}}')).toBe('a')
    expect(errorMessageOf('{"error":"b"}')).toBe('b')
    expect(errorMessageOf('{"object":"error","message":"c"}')).toBe('c')
    expect(errorMessageOf('{"detail":"d"}')).toBe('d')
    expect(errorMessageOf('<html>e</html>\n')).toBe('<html>e</html>')
    expect(errorMessageOf('{"detail":[1]}')).toBe('{"detail":[1]}')
    expect(errorMessageOf('')).toBe('')
  })
})
