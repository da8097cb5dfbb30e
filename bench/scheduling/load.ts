/** Servable under the suite's own generator. */
import type { ServerProcess } from '../child.ts'
import type { Generated } from '../generator/account.ts'
import { runGenerator } from '../generator/run.ts'
import type { HttpRequest } from '../requests.ts'
import type { Contender } from '../rounds.ts'

/** So many clients, each of which waits for its answers. @throws Error where one is no good one */
export async function closedRun(
  { url }: ServerProcess,
  request: HttpRequest,
  clients: number,
  seconds: number,
): Promise<Generated> {
  const target = { kind: 'rest', url, request } as const
  const account = await runGenerator({ target, load: { kind: 'closed', clients }, seconds })
  if (account.invalid !== undefined) throw new Error(`invalid run: ${request.path}: ${account.invalid}`)
  if (account.ok < account.requests || account.ok === 0) {
    throw new Error(`invalid run: ${request.path}: ${JSON.stringify(account.outcomes)}`)
  }
  return account
}

export interface ClosedLoad {
  readonly request: HttpRequest
  readonly clients: number
  /** Rows of a request. */
  readonly rows: number
}

/** A server under clients that wait for their answers; its samples count rows. */
export function closedUnder(name: string, server: ServerProcess, { request, clients, rows }: ClosedLoad): Contender {
  return {
    name,
    async measure(seconds) {
      const before = server.cpuMs()
      const { ok, perSecond, p50Ms, p99Ms } = await closedRun(server, request, clients, seconds)
      const after = server.cpuMs()
      const cpuUs = before === undefined || after === undefined ? undefined : ((after - before) * 1000) / (ok * rows)
      return { perSecond: perSecond * rows, p50Ms, p99Ms, ...(cpuUs === undefined ? {} : { cpuUs }) }
    },
  }
}
