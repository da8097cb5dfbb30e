/** Who may call the control API: programs of this machine under its own name, and nobody else. */
import { networkInterfaces } from 'node:os'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isvcText, services, startControlled, type ControlledServer } from './support.ts'

/** An IPv4 address of this machine that others could reach; undefined where it has none. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address

let controlled: ControlledServer
beforeAll(async () => {
  controlled = await startControlled({ host: '0.0.0.0', control: 'on' })
})
afterAll(() => controlled.server.close())

interface Answer {
  readonly status: number | undefined
  readonly text: string
}

/** fetch sets no Host. */
function call(
  { method = 'GET', address = '127.0.0.1', path = services, body }: Partial<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `http://${address}:${new URL(controlled.http).port}${path}`
    const sent = request(url, { method, headers }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('the control API of a server that others can reach', () => {
  it.skipIf(outside === undefined)(
    'refuses callers that are not on this machine (skipped without a network)',
    async () => {
      const address = outside ?? ''
      for (const host of [undefined, 'localhost', '127.0.0.1']) {
        const { status, text } = await call({ address }, host === undefined ? {} : { host })
        expect(status).toBe(403)
        expect(JSON.parse(text)).toMatchObject({
          kind: 'Status',
          reason: 'Forbidden',
          message: 'the control API answers callers on this machine only',
        })
      }
      const forwarded = { host: 'localhost', 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1' }
      expect((await call({ address }, forwarded)).status).toBe(403)
      expect((await call({ address, path: '/v2/health/live' })).status).toBe(200)
    },
  )

  it('refuses names that were made to lead here', async () => {
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1.nip.io',
      'evil.example:8080',
      'xlocalhost',
    ]) {
      const { status, text } = await call({}, { host })
      expect({ host, status }).toEqual({ host, status: 403 })
      expect(text).toContain('not under another name')
    }
    for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1', '127.8.0.1:80', '[::1]:8080', 'me.localhost']) {
      expect({ host, status: (await call({}, { host })).status }).toEqual({ host, status: 200 })
    }
  })

  it('refuses pages of other origins, before it reads what they send', async () => {
    const host = 'localhost:8080'
    const foreign: readonly Readonly<Record<string, string>>[] = [
      { origin: 'http://evil.example' },
      { origin: 'http://localhost:3000' },
      { origin: 'http://localhost:8080.evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of foreign) {
      expect((await call({}, { host, ...headers })).status).toBe(403)
      const put = { method: 'PUT', path: `${services}/flowers`, body: isvcText('iris') }
      expect((await call(put, { host, ...headers })).status).toBe(403)
    }
    expect(JSON.parse((await call({}, { host })).text)).toMatchObject({ items: [] })
    expect((await call({}, { host, origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' })).status).toBe(
      200,
    )
  })

  it('gives no leave to other origins in its answers', async () => {
    const answered = await fetch(`http://127.0.0.1:${new URL(controlled.http).port}${services}`, { method: 'OPTIONS' })
    expect(answered.headers.get('access-control-allow-origin')).toBeNull()
    expect(answered.status).toBe(405)
  })
})
