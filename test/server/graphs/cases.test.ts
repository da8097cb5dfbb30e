/** Every recorded case of KServe's router, byte for byte, over sockets: caller, server, stub backends. */
import { createServer as createStub } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { loadSpec } from '../../../src/graph/index.ts'
import type { GraphDefinition } from '../../../src/server/graphs/definition.ts'
import { createServer, type Server } from '../../../src/server/server.ts'
import { routerCases, type Call, type RouterCase } from '../../graph/router-cases.ts'
import { shared, withoutShared } from '../../paths.ts'

/** A call that was made. */
interface Made {
  readonly backend: string
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>
}

function specOf({ spec, serviceClientTimeoutSeconds: serviceClient }: RouterCase): object {
  return serviceClient === undefined ? spec : { ...spec, routerTimeouts: { ...spec.routerTimeouts, serviceClient } }
}

/** Some cases are of graphs that KServe does not admit, or whose services nobody resolved. */
const cases = routerCases.filter((one) => {
  try {
    loadSpec(specOf(one))
    return !JSON.stringify(one.spec).includes('"serviceName"')
  } catch {
    return false
  }
})
const byId = new Map(cases.map((one) => [one.id, one]))
const calls = new Map<string, Made[]>()

/** `/<case>/<backend>` */
const stub = createStub((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const [, id = '', name = ''] = (request.url ?? '').split('/')
    calls.get(id)?.push({ backend: name, body: Buffer.concat(chunks).toString(), headers: request.headers })
    const backend = byId.get(id)?.backends[name]
    if (backend === undefined || backend.drop === true) response.destroy()
    else {
      setTimeout(() => {
        response.writeHead(backend.status, { ...backend.headers, 'x-backend-header': 'yes' }).end(backend.body)
      }, backend.delayMs ?? 0)
    }
  })
})

const sorted = <T extends Pick<Call, 'backend' | 'body'>>(list: readonly T[]): readonly T[] =>
  list.toSorted((a, b) => (`${a.backend} ${a.body}` < `${b.backend} ${b.body}` ? -1 : 1))

describe.skipIf(shared === undefined)(`the router's cases over sockets (${withoutShared})`, () => {
  let server: Server
  let [http, backend] = ['', '']
  beforeAll(async () => {
    await new Promise<void>((resolve) => stub.listen(0, '127.0.0.1', resolve))
    backend = `http://127.0.0.1:${(stub.address() as AddressInfo).port}`
    const graphs = cases.map((one): GraphDefinition => ({
      name: one.id,
      spec: JSON.parse(JSON.stringify(specOf(one)).replaceAll('"BE/', `"${backend}/${one.id}/`)) as unknown,
      ...(one.propagateHeaders === undefined ? {} : { propagateHeaders: one.propagateHeaders }),
    }))
    server = await createServer({ models: [], graphs, log: silentLog, httpPort: 0, enableGrpc: false, drainSeconds: 1 })
    http = (await server.start()).http
  })
  afterAll(async () => {
    await server.close()
    stub.closeAllConnections()
    stub.close()
  })

  it('are nearly all of them', () => {
    expect(cases.length).toBeGreaterThan(routerCases.length - 12)
  })

  it.each(cases)('$id $title', async ({ id, expected, request }) => {
    calls.set(id, [])
    const answer = await fetch(`${http}/graphs/${id}`, {
      method: 'POST',
      body: Buffer.from(request.body),
      headers: request.headers,
      redirect: 'manual',
    })
    const body = (await answer.text()).replaceAll(`${backend}/${id}/`, 'BE/')
    expect({ status: answer.status, contentType: answer.headers.get('content-type') ?? '' }).toEqual({
      status: expected.status,
      contentType: expected.contentType,
    })
    expect(body).toBe(expected.body)
    const wanted = sorted(expected.calls ?? [])
    const made = sorted(calls.get(id) ?? [])
    expect(made.map(({ backend: name, body: sent }) => [name, sent])).toEqual(
      wanted.map(({ backend: name, body: sent }) => [name, sent]),
    )
    for (const [index, { headers = {} }] of wanted.entries()) {
      const { host, connection, 'content-length': length, ...sent } = made[index]?.headers ?? {}
      expect([host, connection, length].map((value) => typeof value)).toEqual(['string', 'string', 'string'])
      expect(sent).toEqual(
        Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
      )
    }
  })
})
