/** Entry of a child process: opens one session, runs what the server sends one call after the other, and ends with the server. */
import { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { InferenceError } from '../core/errors.ts'
import { FrameReader } from './frames.ts'
import { openSession } from './open.ts'
import type { ProcessReply, ProcessRequest } from './process-messages.ts'
import { decodeRequest, encodeReply, failureOf, messagesFd } from './process-messages.ts'
import type { Session } from './session.ts'

// A terminal sends Ctrl-C to every process of its group; the server drains and ends this one itself.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
new Worker(new URL('./lifeline.js', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: 16 } })

const channel = new Socket({ fd: messagesFd })
const waiting: ProcessRequest[] = []
let session: Session | undefined
let isBusy = false

const reader = new FrameReader((frame) => {
  waiting.push(decodeRequest(frame))
  if (!isBusy) void work()
})
channel.on('data', (chunk: Buffer) => reader.push(chunk))
channel.on('error', () => undefined) // 'close' follows
channel.on('close', () => process.kill(process.pid, 'SIGKILL')) // the server is gone: nothing is left to be done in order

/** Never throws: a failure is a reply. */
async function work(): Promise<void> {
  isBusy = true
  for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
    let pieces: Uint8Array[]
    try {
      const reply = answer(request)
      pieces = encodeReply(reply instanceof Promise ? await reply : reply)
    } catch (reason) {
      pieces = encodeReply(failureOf(reason))
    }
    if (!send(pieces)) await new Promise((resolve) => channel.once('drain', resolve))
  }
  isBusy = false
}

/** @returns false where the server reads slower than this process writes */
function send(pieces: readonly Uint8Array[]): boolean {
  channel.cork()
  for (const piece of pieces) channel.write(piece)
  channel.uncork()
  return !channel.writableNeedDrain
}

/** Synchronous where the session is. */
function answer(request: ProcessRequest): ProcessReply | Promise<ProcessReply> {
  switch (request.kind) {
    case 'open':
      return open(request.module, request.options)
    case 'run': {
      if (session === undefined) throw new InferenceError('internal', 'the session was closed before this call ran')
      const outputs = session.run(request.batch)
      return outputs instanceof Promise
        ? outputs.then((settled) => ({ kind: 'ran', outputs: settled }))
        : { kind: 'ran', outputs }
    }
    case 'close':
      return close()
  }
}

async function open(module: string, options: unknown): Promise<ProcessReply> {
  const before = process.memoryUsage.rss()
  session = await openSession(module, options)
  return { kind: 'opened', info: session.info, memoryBytes: Math.max(0, process.memoryUsage.rss() - before) }
}

async function close(): Promise<ProcessReply> {
  const closing = session
  session = undefined
  await closing?.close()
  return { kind: 'closed' }
}
