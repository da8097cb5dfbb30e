/** A server in a process of its own: started on core 0 where nothing else is said, ready when it says so, measured from outside. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pinned } from './machine.ts'
import { cpuMs } from './process-time.ts'

export interface ServerProcess {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** `127.0.0.1:port`, '' where it does not speak gRPC. */
  readonly grpc: string
  readonly pid: number | undefined
  /** From spawn to ready. */
  readonly readyMs: number
  /** Processor time of all its threads and processes so far; undefined where the system does not tell. */
  cpuMs(): number | undefined
  /** Resident memory now; undefined where the system does not tell. */
  residentBytes(): number | undefined
  stop(): Promise<void>
}

/** A cold start on a busy machine takes seconds, never a minute. */
const startLimitMs = 60_000

/**
 * Starts `node` with arguments and waits for JSON lines that tell `http` and `grpc`, its addresses, and
 * `ready`: what `servable serve --log-format json` writes, and the programs of targets/ write.
 *
 * @throws Error with its output where it ends, or says that it is not ready
 */
export async function startServer(args: readonly string[], core: number | 'any' = 0): Promise<ServerProcess> {
  const [program = '', ...rest] = pinned(core, [process.execPath, ...profiling(), ...args])
  const started = performance.now()
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    return {
      ...(await readiness(child)),
      pid: child.pid,
      readyMs: performance.now() - started,
      cpuMs: () => cpuMs(child.pid),
      residentBytes: () => residentBytes(child.pid),
      stop: () => stop(child),
    }
  } catch (reason) {
    await stop(child)
    throw reason
  }
}

/** Arguments for the servers' node, such as `--cpu-prof`, from the environment. */
function profiling(): readonly string[] {
  return (process.env['BENCH_NODE_ARGS'] ?? '').split(' ').filter((argument) => argument !== '')
}

function readiness(child: ChildProcess): Promise<Pick<ServerProcess, 'url' | 'grpc'>> {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('a server must be started with pipes')
  const output: string[] = []
  let [url, grpc] = ['', '']
  return new Promise((resolve, reject) => {
    const fail = (what: string): void =>
      reject(new Error(`server ${child.spawnargs.join(' ')}: ${what}\n${output.join('\n')}`))
    const limit = setTimeout(() => fail('not ready in time'), startLimitMs)
    const read = (line: string): void => {
      output.push(line)
      if (output.length > 50) output.shift()
      const fields = fieldsOf(line)
      if (typeof fields?.http === 'string') url = fields.http
      if (typeof fields?.grpc === 'string') grpc = fields.grpc
      if (fields?.ready === false) fail('not ready')
      if (fields?.ready !== true) return
      clearTimeout(limit)
      resolve({ url, grpc })
    }
    createInterface(stdout).on('line', read)
    createInterface(stderr).on('line', read)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code) => {
      clearTimeout(limit)
      fail(`ended with status ${code}`)
    })
  })
}

function fieldsOf(
  line: string,
): { readonly http?: unknown; readonly grpc?: unknown; readonly ready?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function residentBytes(pid: number | undefined): number | undefined {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return line === null ? undefined : Number(line[1]) * 1024
  } catch {
    return undefined
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(force)
}
