/** Program: loads a server with autocannon and prints what was measured as one JSON line; see load.ts. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

interface Asked {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly bodyFile?: string
  readonly connections: number
  readonly seconds: number
}

interface Result {
  readonly requests: { readonly total: number; readonly sent: number }
  readonly latency: { readonly p50: number; readonly p99: number }
  readonly duration: number
  readonly non2xx: number
  readonly errors: number
  readonly timeouts: number
}

type Autocannon = (options: object) => Promise<Result>

const { url, method, headers, bodyFile, connections, seconds } = JSON.parse(process.argv[2] ?? '{}') as Asked // by load.ts
const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon // the package has no types
const result = await autocannon({
  url,
  method,
  headers,
  connections,
  duration: seconds,
  ...(bodyFile === undefined ? {} : { body: readFileSync(bodyFile) }),
})
const measured = {
  requests: result.requests.total,
  perSecond: result.requests.total / result.duration,
  p50Ms: result.latency.p50,
  p99Ms: result.latency.p99,
  refused: result.non2xx,
  broken: result.errors + result.timeouts,
}
console.log(JSON.stringify(measured))
