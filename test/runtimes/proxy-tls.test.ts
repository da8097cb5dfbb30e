/** Upstreams behind TLS: whom a proxied model trusts, and who it is; and what it sends along. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fixtures } from '../paths.ts'
import { floats, halfPlusTwo, post, proxied, serve } from './proxy-support.ts'

const file = (name: string) => join(fixtures, 'tls', name)
const server = { tlsCertificate: file('server.crt'), tlsKey: file('server.key') }
const secure = (url: string) => url.replace(/^grpc:/, 'grpcs:')

describe.each(['grpc', 'http'] as const)('an upstream with TLS over %s', (kind) => {
  const ask = async (tls: object | undefined, demands: object = {}) => {
    const upstream = await serve({ half: halfPlusTwo }, { ...server, ...demands })
    const options = { upstreams: [secure(upstream.url[kind])], start_timeout_ms: 300 }
    const { url, server: front } = await proxied(tls === undefined ? options : { ...options, tls })
    const { status, body } = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    return { status, body, reason: front.dataPlane.models()[0]?.reason }
  }

  it('is trusted by its authority', async () => {
    expect(await ask({ ca: file('ca.crt') })).toMatchObject({ status: 200, body: { outputs: [{ data: [2.5] }] } })
  })

  it('is not trusted without it', async () => {
    const { status, reason } = await ask(undefined)
    expect(status).toBe(503)
    expect(reason).toMatch(/cannot reach .*certificate/)
  })

  it('is shown the certificate that it asks for', async () => {
    const demands = { tlsCa: file('ca.crt') }
    const own = { ca: file('ca.crt'), certificate: file('client.crt'), key: file('client.key') }
    expect(await ask(own, demands)).toMatchObject({ status: 200 })
    expect(await ask({ ca: file('ca.crt') }, demands)).toMatchObject({ status: 503 })
  })
})
