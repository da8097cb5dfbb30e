/** Free ports of the loopback for processes that want to be told theirs. */
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { InferenceError } from '../core/errors.ts'
import type { Ports } from './launch.ts'

/** Given out lately: nobody listens there yet, and the system would give it again. */
const given = new Set<number>()
/** Processes that start at one time are far fewer. */
const mostGiven = 256

/**
 * Finds a port for each name. Who is told of it listens a moment later, so another program may be faster: such a process
 * does not get ready, and is started again with other ports.
 */
export async function freePorts(names: readonly string[]): Promise<Ports> {
  const held: Server[] = []
  try {
    const ports: Record<string, number> = {}
    for (const name of names) ports[name] = await freePort(held)
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}

/** @param held keeps what was found until all are found, so that each is another one */
async function freePort(held: Server[]): Promise<number> {
  for (let attempt = 0; attempt < mostGiven; attempt += 1) {
    const server = createServer()
    held.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string' || given.has(address.port)) continue
    remember(address.port)
    return address.port
  }
  throw new InferenceError('internal', 'no free port was found on the loopback')
}

function remember(port: number): void {
  const [oldest] = given
  if (given.size >= mostGiven && oldest !== undefined) given.delete(oldest)
  given.add(port)
}
