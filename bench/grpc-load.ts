/** Closed-loop gRPC load from a process of its own on core 1: h2load where it is installed, else `http2-load.ts`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { framed, grpcHeaders, unframed, type GrpcRequest } from './grpc-message.ts'
import type { LoadResult } from './load.ts'
import { findProgram, pinned } from './machine.ts'

/** Calls in flight: connections × streams of each. */
export interface GrpcLoadOptions {
  readonly seconds: number
  readonly connections?: number
  readonly streams?: number
}

export const h2load = findProgram('h2load')

/** What a generator reports, whichever it is. */
export interface GrpcMeasured {
  readonly seconds: number
  readonly requests: number
  readonly failed: number
  /** Bytes of messages that came back, with their prefixes. */
  readonly answerBytes: number
  /** Of each call, in any order. */
  readonly latenciesMs: readonly number[]
}

/**
 * One call.
 *
 * @param address `host:port`
 * @returns the message
 * @throws Error where its HTTP status is not 200, its gRPC status not 0, or it has no message
 */
export async function callOnce(address: string, { path, message }: GrpcRequest): Promise<Buffer> {
  const session = connect(`http://${address}`)
  session.on('error', () => undefined) // it fails the call, too
  try {
    const stream = session.request({ ':method': 'POST', ':path': path, ...grpcHeaders })
    const statuses: Record<string, unknown> = {}
    const note = (headers: IncomingHttpHeaders): void => void Object.assign(statuses, headers)
    stream.on('response', note)
    stream.on('trailers', note)
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = once(stream, 'end')
    stream.end(framed(message))
    await ended
    const frame = Buffer.concat(chunks)
    if (statuses[':status'] !== 200 || statuses['grpc-status'] !== '0' || frame.length === 0) {
      throw new Error(
        `invalid run: ${path} answered HTTP ${String(statuses[':status'])}, gRPC ${String(statuses['grpc-status'])}: ` +
          String(statuses['grpc-message']),
      )
    }
    return unframed(frame)
  } finally {
    session.close()
  }
}

/**
 * Loads a server with one call, again and again.
 *
 * @throws Error where one call failed, which h2load does not see in statuses but in missing bytes: a refusal has no message
 */
export async function loadGrpc(address: string, request: GrpcRequest, options: GrpcLoadOptions): Promise<LoadResult> {
  const answer = await callOnce(address, request)
  const measured = await generate(address, request, options)
  await callOnce(address, request)
  const { requests, failed, answerBytes } = measured
  const expected = requests * framed(answer).length
  // Answers that come when the time is up are not counted, their bytes are.
  if (requests === 0 || failed > 0 || answerBytes < expected) {
    throw new Error(
      `invalid run: ${request.path}: ${requests} answers, ${failed} failed, ${answerBytes} bytes instead of ${expected}`,
    )
  }
  const sorted = Float64Array.from(measured.latenciesMs).sort()
  const at = (fraction: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? NaN
  return { requests, perSecond: requests / measured.seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

async function generate(
  address: string,
  request: GrpcRequest,
  { seconds, connections = 4, streams = 4 }: GrpcLoadOptions,
): Promise<GrpcMeasured> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  try {
    const [body, log] = [join(folder, 'body'), join(folder, 'log')]
    writeFileSync(body, framed(request.message))
    const url = `http://${address}${request.path}`
    if (h2load === undefined) {
      const program = fileURLToPath(new URL('./http2-load.js', import.meta.url))
      const options = JSON.stringify({ url, body, seconds, connections, streams })
      return JSON.parse(await output([process.execPath, program, options])) as GrpcMeasured // printed by http2-load.ts
    }
    const headers = Object.entries(grpcHeaders).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const shape = ['-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`]
    const printed = await output([h2load, ...shape, ...headers, '-d', body, `--log-file=${log}`, url])
    return readH2load(printed, readFileSync(log, 'utf8'), seconds)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function output(command: readonly string[]): Promise<string> {
  const [program = '', ...args] = pinned(1, command)
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`invalid run: ${program} ended with status ${child.exitCode}\n${printed}`)
  return printed
}

/** @param log a line for each call: start, status, microseconds */
function readH2load(printed: string, log: string, seconds: number): GrpcMeasured {
  const requests = /requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed/.exec(printed)
  const data = /traffic: .*\((\d+)\) data/.exec(printed)
  if (requests === null || data === null) throw new Error(`invalid run: h2load printed no result\n${printed}`)
  const latenciesMs = log
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]) / 1000)
  return {
    seconds,
    requests: Number(requests[1]),
    failed: Number(requests[2]),
    answerBytes: Number(data[1]),
    latenciesMs,
  }
}
