/** Triton's extensions, asked of the app by inject and over a socket. */
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { checkCase } from './check.ts'
import {
  classificationCases,
  configCases,
  generateCases,
  parameterCases,
  rawCases,
  settingCases,
  streamCases,
} from './extension-cases.ts'
import { createExtensionApp } from './extension-models.ts'
import { open } from './socket.ts'

const { app } = await createExtensionApp()
afterAll(() => app.close())
const check = checkCase(app)

describe('classification', () => {
  it.each(classificationCases)('$title', check)
})
describe('raw requests', () => {
  it.each(rawCases)('$title', check)
})
describe('model configuration', () => {
  it.each(configCases)('$title', check)
})
describe('settings and shared memory', () => {
  it.each(settingCases)('$title', check)
})
describe('parameters', () => {
  it.each(parameterCases)('$title', check)
})
describe('generate', () => {
  it.each(generateCases)('$title', check)
})
describe('generate_stream', () => {
  it.each(streamCases)('$title', check)

  it('F8: cancels the model when the caller leaves', async () => {
    const { app: own, words } = await createExtensionApp()
    onTestFinished(() => own.close())
    await own.listen({ host: '127.0.0.1', port: 0 })
    const { port } = own.server.address() as AddressInfo // listens on a port
    const body = JSON.stringify({ text_input: Array.from({ length: 100_000 }, () => 'word').join(' ') })
    const socket = await open(port)
    let sent = 0
    words.onWord = () => (sent += 1)
    const isOver = new Promise<void>((resolve) => (words.onEnd = resolve))
    socket.once('data', () => socket.destroy())
    socket.write(
      `POST /v2/models/words/generate_stream HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await Promise.race([isOver, new Promise((resolve) => own.server.once('close', resolve))])
    expect(words.isCancelled).toBe(true)
    expect(sent).toBeLessThan(100_000)
  })
})

describe('the log', () => {
  it('E20: writes a line per request as soon as it is verbose, and no more when it is not', async () => {
    const { app: own, lines } = await createExtensionApp()
    onTestFinished(() => own.close())
    const call = (payload?: string) =>
      payload === undefined
        ? own.inject({ method: 'GET', url: '/v2' })
        : own.inject({ method: 'POST', url: '/v2/logging', payload })
    await call()
    await call('{"log_verbose_level":1}')
    expect(lines).toEqual([])
    await call()
    expect(lines).toEqual(['request'])
    await call('{"log_verbose_level":0}')
    const before = lines.length
    await call()
    expect(lines).toHaveLength(before)
  })
})
