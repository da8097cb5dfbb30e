/** The lines of the log. */
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { createLog } from '../../src/telemetry/log.ts'
import type { LogOptions } from '../../src/telemetry/log.ts'

/** A log and the text that it wrote. */
function openLog(options: LogOptions = {}) {
  let text = ''
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString()
      done()
    },
  })
  const log = createLog({ ...options, output })
  return {
    log,
    text: () => text,
    lines: () =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
  }
}

describe('JSON lines', () => {
  it('hold time, level, fields and message', () => {
    const { log, lines } = openLog()
    log.info({ model: 'iris', rows: 3 }, 'batch')
    const [line] = lines()
    expect(line).toEqual({ time: expect.any(String) as string, level: 'info', model: 'iris', rows: 3, msg: 'batch' })
    const { time } = line as { time: string }
    expect(new Date(time).toISOString()).toBe(time)
  })

  it('show an error with its code, stack and cause', () => {
    const { log, lines } = openLog()
    log.warn({ error: InferenceError.from(new RangeError('too deep')) }, 'request failed')
    expect(lines()[0]).toMatchObject({
      level: 'warn',
      error: {
        type: 'InferenceError',
        code: 'internal',
        message: 'internal error',
        cause: { type: 'RangeError', message: 'too deep', stack: expect.stringContaining('log.test') as string },
      },
    })
  })

  it('leave out what is below the level', () => {
    const { log, text } = openLog({ level: 'warn' })
    log.debug({}, 'no')
    log.info({}, 'no')
    log.error({}, 'yes')
    expect(log.isDebugEnabled).toBe(false)
    expect(text().trim().split('\n')).toHaveLength(1)
    expect(openLog({ level: 'debug' }).log.isDebugEnabled).toBe(true)
  })

  it('write nothing when silent', () => {
    const { log, text } = openLog({ level: 'silent' })
    log.error({}, 'no')
    expect(text()).toBe('')
  })

  it('never hold a payload or a secret', () => {
    const { log, text } = openLog()
    log.info({ inputs: [{ data: 'private' }], headers: { authorization: 'private' }, token: 'private' }, 'slip')
    expect(text()).not.toContain('private')
  })
})

describe('lines for people', () => {
  it('are readable and complete', () => {
    const { log, text } = openLog({ isPretty: true })
    log.warn({ model: 'iris', error: new RangeError('too deep') }, 'load failed')
    expect(text()).toMatch(/WARN.*load failed/)
    expect(text()).toContain('model: "iris"')
    expect(text()).toContain('too deep')
    expect(text()).not.toContain('{"')
  })
})
