/** What the door writes to the log, and what it does not. */
import { describe, expect, it } from 'vitest'
import type { Log, LogFields } from '../../src/core/log.ts'
import { createTestApp } from './models.ts'

interface Line {
  readonly level: string
  readonly fields: LogFields
  readonly message: string
}

function recordingLog(isDebugEnabled: boolean): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: LogFields, message: string) => void lines.push({ level, fields, message })
  return {
    lines,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), isDebugEnabled },
  }
}

const payload = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}'

describe('the log of requests', () => {
  it('warns of a failure with its cause and the request id, which the caller does not see', async () => {
    const { log, lines } = recordingLog(false)
    const app = createTestApp({ log })
    const headers = { 'x-request-id': 'r-1' }
    const answer = await app.inject({ method: 'POST', url: '/v2/models/broken/infer', payload, headers })
    expect(answer.body).toBe('{"error":"internal error"}')
    expect(lines).toMatchObject([
      {
        level: 'warn',
        message: 'request failed',
        fields: {
          requestId: 'r-1',
          method: 'POST',
          path: '/v2/models/broken/infer',
          status: 500,
          error: { code: 'internal', cause: { message: 'the secret of the model' } },
        },
      },
    ])
    await app.close()
  })

  it('says nothing of what callers do wrong', async () => {
    const { log, lines } = recordingLog(false)
    const app = createTestApp({ log })
    await app.inject({ method: 'POST', url: '/v2/models/nope/infer', payload })
    await app.inject('/v2/nothing')
    expect(lines).toEqual([])
    await app.close()
  })

  it('tells at debug of every request, and why one was refused', async () => {
    const { log, lines } = recordingLog(true)
    const app = createTestApp({ log })
    await app.inject({ method: 'POST', url: '/v2/models/half_plus_two/infer', payload })
    await app.inject({ method: 'POST', url: '/v2/models/half_plus_two/infer', payload: '{' })
    expect(lines.map(({ level, message, fields }) => [level, message, fields['status']])).toEqual([
      ['debug', 'request', 200],
      ['debug', 'request refused', 400],
      ['debug', 'request', 400],
    ])
    expect(lines[0]?.fields).toMatchObject({ method: 'POST', path: '/v2/models/half_plus_two/infer' })
    expect(JSON.stringify(lines)).not.toContain('datatype')
    const ids = lines.map(({ fields }) => fields['requestId'])
    expect(ids[1]).toBe(ids[2])
    expect(ids[0]).not.toBe(ids[1])
    await app.close()
  })
})
