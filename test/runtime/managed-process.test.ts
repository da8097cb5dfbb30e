import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLog, type Log, type LogFields } from '../../src/core/log.ts'
import { readLaunch, type Ports } from '../../src/runtime/launch.ts'
import { ManagedProcess, type ManagedProcessOptions } from '../../src/runtime/managed-process.ts'

/** Answers with its id and that of a child that it has started; `/die` ends it, `/say` makes it write. */
const server = `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'])
  require('node:http').createServer((request, response) => {
    if (request.url === '/die') process.exit(3)
    if (request.url === '/say') console.error('line\\n'.repeat(500))
    response.end(JSON.stringify({ pid: process.pid, child: child.pid, env: process.env.GREETING ?? '' }))
  }).listen(Number(process.argv[1]), '127.0.0.1')
`
const node = (script: string): readonly string[] => [process.execPath, '-e', script, '{port}']

const open: ManagedProcess[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((managed) => managed.close()))
})

function manage(launch: object, more: Partial<ManagedProcessOptions> = {}): ManagedProcess {
  const managed = new ManagedProcess({ name: 'm', launch: readLaunch(launch), log: silentLog, ...more })
  open.push(managed)
  return managed
}

interface Told {
  readonly pid: number
  readonly child: number
  readonly env: string
}

async function ask(ports: Ports, path = '/'): Promise<Told> {
  const response = await fetch(`http://127.0.0.1:${ports['port'] ?? 0}${path}`)
  return (await response.json()) as Told // what the script above writes
}

/** A process that has ended may still stand in the table, where nobody has asked how it ended. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Resolves when the program behind a port is gone. */
async function gone(ports: Ports): Promise<() => Promise<unknown>> {
  const socket = connect(ports['port'] ?? 0, '127.0.0.1')
  socket.on('error', () => undefined).resume()
  await once(socket, 'connect')
  // Not `once`: that rejects where the connection is reset, which is an end as well.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  return () => closed
}

describe.skipIf(process.platform !== 'linux')('a launched process (looks into /proc: Linux only)', () => {
  it('is told its port and takes requests once it is started, and ends with all that it started', async () => {
    const managed = manage(
      { command: node(server), env: { GREETING: 'at {port}, {model}' } },
      { values: { model: 'm' } },
    )
    const ports = await managed.start()
    const { pid, child, env } = await ask(ports)
    expect(env).toBe(`at ${String(ports['port'])}, m`)
    expect([isAlive(pid), isAlive(child)]).toEqual([true, true])
    await managed.close()
    await expect.poll(() => [isAlive(pid), isAlive(child)]).toEqual([false, false]) // killed, and perhaps not buried yet
  })

  it('is waited for until it answers well', async () => {
    const slow = `let asked = 0
      require('node:http').createServer((request, response) => {
        asked += 1
        response.statusCode = asked < 3 ? 503 : 200
        response.end(JSON.stringify({ pid: asked }))
      }).listen(Number(process.argv[1]))`
    const managed = manage({ command: node(slow), ready: '/health' })
    expect((await ask(await managed.start())).pid).toBe(4)
  })

  it('that ends before it is ready fails the start with its last words', async () => {
    const managed = manage({ command: node(`console.error('no such model'); process.exit(7)`) })
    await expect(managed.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: `the process launched for model 'm' ended with code 7 before it was ready. Its last words: no such model`,
    })
  })

  it('that does not exist fails the start with its name', async () => {
    await expect(manage({ command: ['no-such-program-here'] }).start()).rejects.toThrow(/could not be started.*ENOENT/)
  })

  it('that does not get ready in time is stopped', async () => {
    const managed = manage({ command: node('setInterval(() => 0, 1000)'), start_timeout_seconds: 0.3 })
    await expect(managed.start()).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: `the process launched for model 'm' did not get ready in 0.3 s: nothing took connections at {port}`,
    })
  })

  it('is gone where its start was cancelled', async () => {
    const controller = new AbortController()
    const managed = manage({ command: node('setInterval(() => 0, 1000)') })
    const starting = managed.start(controller.signal)
    controller.abort()
    await expect(starting).rejects.toMatchObject({ code: 'cancelled' })
    const closed = manage({ command: node('setInterval(() => 0, 1000)') })
    const failing = expect(closed.start()).rejects.toMatchObject({ code: 'cancelled' })
    await closed.close()
    await failing
  })

  it('is started again when it dies, at other ports', async () => {
    const downs: string[] = []
    const seen: Ports[] = []
    let again: ((ports: Ports) => void) | undefined
    const restarted = new Promise<Ports>((resolve) => (again = resolve))
    const managed = manage(
      { command: node(server) },
      {
        onDown: (reason) => downs.push(reason.message),
        onReady: (ports) => {
          seen.push(ports)
          if (seen.length === 2) again?.(ports)
        },
      },
    )
    const first = await managed.start()
    await ask(first, '/die').catch(() => undefined)
    const second = await restarted
    expect(downs).toEqual([`the process launched for model 'm' ended with code 3; it is started again`])
    expect(second['port']).not.toBe(first['port'])
    expect(managed.ports).toEqual(second)
    expect((await ask(second)).pid).toBeGreaterThan(0)
  })

  it('is given up when it keeps dying', async () => {
    const delays: number[] = []
    const clock = {
      now: () => 0,
      random: () => 1,
      after: (ms: number, then: () => void) => {
        delays.push(ms)
        const timer = setImmediate(then)
        return () => clearImmediate(timer)
      },
    }
    const dying = `require('node:net').createServer((socket) => process.exit(9)).listen(Number(process.argv[1]))`
    const reason = await new Promise<Error>((resolve, reject) => {
      const managed = manage({ command: node(dying) }, { clock, onGivenUp: resolve })
      managed.start().catch(reject)
    })
    expect(reason.message).toMatch(/ended 5 times in a row; the last one .*code 9.*Load the model again/)
    expect(delays).toEqual([100, 300, 900, 2700])
  })

  it('that does not end when asked is killed', async () => {
    const stubborn = `process.on('SIGTERM', () => 0); ${server}`
    const managed = manage({ command: node(stubborn), stop_grace_seconds: 0.2 })
    const { pid } = await ask(await managed.start())
    await managed.close()
    await expect.poll(() => isAlive(pid)).toBe(false) // killed, and perhaps not buried yet
  })

  it('writes to the log, bounded', async () => {
    const lines: LogFields[] = []
    const log: Log = { ...silentLog, info: (fields, message) => void (message.endsWith('wrote') && lines.push(fields)) }
    const managed = manage({ command: node(server) }, { log })
    await ask(await managed.start(), '/say')
    await managed.close()
    expect(lines).toHaveLength(100)
    expect(lines[0]).toEqual({ model: 'm', line: 'line' })
  })

  it('ends when the program that launched it is killed', async () => {
    const supervisor = fileURLToPath(new URL('./programs/supervisor.js', import.meta.url))
    const program = spawn(process.execPath, [supervisor, ...node(server)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = (await once(program.stdout, 'data')) as [Buffer]
    const ports = { port: Number(port.toString()) }
    const { child } = await ask(ports)
    const ended = await gone(ports)
    program.kill('SIGKILL')
    await ended()
    await expect.poll(() => isAlive(child)).toBe(false)
  })

  it('ends when its guard is killed, and is started again', async () => {
    let again: ((ports: Ports) => void) | undefined
    const restarted = new Promise<Ports>((resolve) => (again = resolve))
    let count = 0
    const managed = manage(
      { command: node(server) },
      { onReady: (ports) => void ((count += 1) === 2 && again?.(ports)) },
    )
    const { pid, child } = await ask(await managed.start())
    const guard = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    process.kill(guard, 'SIGKILL')
    const { pid: second } = await ask(await restarted)
    expect(second).not.toBe(pid)
    await expect.poll(() => [isAlive(pid), isAlive(child)]).toEqual([false, false])
  })
})
