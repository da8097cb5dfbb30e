/** `docs/protocols.md` says what the data says, and the data what the server does. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { root } from '../paths.ts'
import { withTables } from './document.ts'
import { grpcEndpoints, restV1, restV2 } from './endpoints.ts'
import { models } from './models.ts'
import { isImplemented } from './probe.ts'

let server: Server
let addresses: { readonly http: string; readonly grpc?: string }
beforeAll(async () => {
  const { versioned = '' } = models
  server = await createServer({ models: { m: versioned }, log: silentLog, httpPort: 0, grpcPort: 0 })
  addresses = await server.start()
})
afterAll(() => server.close())

it('is made from the endpoints and the cases: node scripts/protocols-table.mjs', () => {
  const document = readFileSync(join(root, 'docs', 'protocols.md'), 'utf8')
  expect(withTables(document)).toBe(document)
})

describe('REST', () => {
  it.each([...restV2, ...restV1])('$support: $name', async ({ name, support }) => {
    const [method = '', path = ''] = name.split(' ')
    const url = `${addresses.http}${path.replace('{model}', 'm').replace('{region}', 'r')}`
    const response = await fetch(url, { method, ...(method === 'POST' ? { body: '{}' } : {}) })
    const text = await response.text()
    const isRouted = !text.includes('"Not Found"') && !text.includes('Malformed request') && response.status !== 405
    expect(`${isRouted} ${response.status} ${text}`).toMatch(support === 'no' ? /^false/ : /^true/)
    if (support === 'off') expect(response.status).toBe(501)
    else if (support === 'yes') expect(response.status).toBeLessThan(500)
  })
})

describe('gRPC', () => {
  it.each(grpcEndpoints)('$support: $name', async ({ name, support }) => {
    expect(await isImplemented(addresses.grpc ?? '', name)).toBe(support === 'yes')
  })
})
