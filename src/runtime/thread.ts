/** Entry of a worker thread: opens, runs and closes the sessions that the main thread asks for. */
import { parentPort } from 'node:worker_threads'
import { InferenceError } from '../core/errors.ts'
import type { Batch } from '../core/model.ts'
import type { Reply, Request } from './messages.ts'
import { encodeError } from './messages.ts'
import { openSession } from './open.ts'
import type { Session } from './session.ts'
import { pack, transferList, unpack } from './transfer.ts'

const port = parentPort
if (port === null) throw new InferenceError('internal', 'thread.js runs in a worker thread only')

const sessions = new Map<number, Session>()

port.on('message', (request: Request) => {
  answer(request).catch((reason: unknown) => port.postMessage(encodeError(request.id, reason)))
})

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case 'open': {
      const session = await openSession(request.module, request.options)
      sessions.set(request.session, session)
      return reply({ kind: 'opened', id: request.id, info: session.info })
    }
    case 'run':
      return run(request)
    case 'close': {
      const session = sessions.get(request.session)
      sessions.delete(request.session)
      await session?.close()
      return reply({ kind: 'closed', id: request.id })
    }
  }
}

async function run(request: Request & { kind: 'run' }): Promise<void> {
  const session = sessions.get(request.session)
  if (session === undefined) throw new InferenceError('internal', 'the session was closed before this call ran')
  const batch: Batch = {
    inputs: unpack(request.inputs),
    ...(request.outputs === undefined ? {} : { outputs: request.outputs }),
    ...(request.parameters === undefined ? {} : { parameters: request.parameters }),
  }
  const result = session.run(batch)
  const outputs = pack(result instanceof Promise ? await result : result, { move: true })
  reply({ kind: 'ran', id: request.id, outputs }, transferList(outputs))
}

function reply(message: Reply, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer)
}
