/** Closed-loop HTTP load from a process of its own on core 1: wrk where it is installed, else autocannon. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { findProgram, pinned } from './machine.ts'
import type { HttpRequest } from './requests.ts'

export interface LoadOptions {
  readonly seconds: number
  /** Each sends its next request when the answer to the last is there. */
  readonly connections: number
}

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** What a generator prints as its last line. */
interface Measured extends LoadResult {
  /** Answers other than 2xx. */
  readonly refused: number
  /** Connections that failed, and answers that did not come in time. */
  readonly broken: number
}

/** Time beyond its own that a generator may take before it is stopped. */
const graceMs = 15_000

export const wrk = findProgram('wrk')

/**
 * Loads a server with one request, again and again.
 *
 * @throws Error where one answer was no 2xx, one connection failed, or nothing was answered: such a figure means nothing
 */
export async function load(url: string, request: HttpRequest, options: LoadOptions): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  try {
    const body = join(folder, 'body')
    writeFileSync(body, request.body ?? '')
    const command =
      wrk === undefined ? autocannonCommand(url, request, body, options) : wrkCommand(url, request, folder, options)
    const measured = await runGenerator(command, options.seconds * 1000 + graceMs)
    if (measured.refused > 0 || measured.broken > 0 || measured.requests === 0) {
      throw new Error(
        `invalid run: ${request.method} ${request.path}: ${measured.requests} answers, ${measured.refused} of them not 2xx, ${measured.broken} failed`,
      )
    }
    return measured
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function wrkCommand(url: string, request: HttpRequest, folder: string, options: LoadOptions): readonly string[] {
  const script = join(folder, 'request.lua')
  writeFileSync(script, luaScript(request, join(folder, 'body')))
  const { connections, seconds } = options
  return [wrk ?? '', '-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url + request.path]
}

/** wrk builds the request once from these fields; `done` prints what `Measured` names. */
function luaScript({ method, headers, body }: HttpRequest, bodyFile: string): string {
  const lines = [`wrk.method = ${quote(method)}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`wrk.headers[${quote(name)}] = ${quote(value)}`)
  if (body !== undefined) {
    lines.push(`local file = io.open(${quote(bodyFile)}, "rb")`, 'wrk.body = file:read("*a")', 'file:close()')
  }
  return `${lines.join('\n')}
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '\\n{"requests":%d,"perSecond":%f,"p50Ms":%f,"p99Ms":%f,"refused":%d,"broken":%d}',
    summary.requests, summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
`
}

/** JSON's escapes of plain ASCII are Lua's too. */
function quote(value: string): string {
  return JSON.stringify(value)
}

function autocannonCommand(
  url: string,
  request: HttpRequest,
  bodyFile: string,
  options: LoadOptions,
): readonly string[] {
  const { method, path, headers, body } = request
  const asked = { url: url + path, method, headers, bodyFile: body === undefined ? undefined : bodyFile, ...options }
  return [process.execPath, fileURLToPath(new URL('./autocannon.js', import.meta.url)), JSON.stringify(asked)]
}

async function runGenerator(command: readonly string[], limitMs: number): Promise<Measured> {
  const [program = '', ...args] = pinned(1, command)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs)
  try {
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    if (!last.startsWith('{')) throw new Error(`invalid run: the load generator printed no result\n${output}${errors}`)
    return JSON.parse(last) as Measured // printed by the script above or by autocannon.ts
  } finally {
    clearTimeout(limit)
  }
}
