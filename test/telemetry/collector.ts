/** A collector of OTLP on loopback, for tests. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { z } from 'zod'

const value = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue as string | number),
  z.object({ intValue: z.string().regex(/^-?\d+$/) }).transform(({ intValue }) => Number(intValue)),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
])
const attributes = z
  .array(z.strictObject({ key: z.string(), value }))
  .transform((list) => Object.fromEntries(list.map((each) => [each.key, each.value])))

const span = z.strictObject({
  traceId: z.string().regex(/^[\da-f]{32}$/),
  spanId: z.string().regex(/^[\da-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[\da-f]{16}$/)
    .optional(),
  traceState: z.string().optional(),
  name: z.string(),
  kind: z.int().min(1).max(5),
  startTimeUnixNano: z.string().regex(/^\d{19}$/),
  endTimeUnixNano: z.string().regex(/^\d{19}$/),
  attributes,
  status: z.strictObject({ code: z.int(), message: z.string().optional() }).optional(),
})
/** ExportTraceServiceRequest: no field that it does not have. */
const exportRequest = z.strictObject({
  resourceSpans: z.tuple([
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.tuple([
        z.strictObject({ scope: z.strictObject({ name: z.string(), version: z.string() }), spans: z.array(span) }),
      ]),
    }),
  ]),
})

export type CollectedSpan = z.infer<typeof span>

export class Collector {
  readonly spans: CollectedSpan[] = []
  readonly resources: Readonly<Record<string, string | number>>[] = []
  readonly requests: { readonly path: string | undefined; readonly headers: Readonly<Record<string, unknown>> }[] = []
  /** What it answers. */
  status = 200
  readonly #server = createServer((request, response) => {
    void text(request).then((body) => {
      const { resourceSpans } = exportRequest.parse(JSON.parse(body))
      this.requests.push({ path: request.url, headers: request.headers })
      this.resources.push(resourceSpans[0].resource.attributes)
      if (this.status === 200) this.spans.push(...resourceSpans[0].scopeSpans[0].spans)
      response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}')
    })
  })

  /** @returns `http://127.0.0.1:port` */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}` // it listens on a port
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
