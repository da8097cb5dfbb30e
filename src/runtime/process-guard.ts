/**
 * Entry of a small process between the server and a program of others: starts it in a process group of their own, and ends
 * the whole group when the program ends, or when the server is gone. It is that group's leader.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { guardFd, type GuardReport } from './guard-report.ts'

const [grace = '', program = '', ...args] = process.argv.slice(2)
const graceMs = Number(grace)
// The group is asked to end as a whole; this process ends last.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

const server = new Socket({ fd: guardFd })
server.on('error', () => undefined) // 'close' follows
server.on('close', () => endGroup())
server.resume() // nothing is ever sent: reading finds the end

const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
child.on('error', (reason) => report({ kind: 'not started', message: reason.message }))
child.on('exit', (code, signal) => report({ kind: 'ended', code, signal }))

/** The program ended: what it has started ends with it, once the server knows how. */
function report(how: GuardReport): void {
  const end = (): void => kill('SIGKILL')
  setTimeout(end, 1000) // of a server that does not read
  server.write(`${JSON.stringify(how)}\n`, end)
}

function endGroup(): void {
  kill('SIGTERM')
  setTimeout(() => kill('SIGKILL'), graceMs)
}

function kill(signal: NodeJS.Signals): void {
  process.kill(-process.pid, signal)
}
