/** Program: iris three times for each request, by plain calls, by a Sequence in process, or by one over HTTP loopback. */
import { createServer, tensor, type Server } from '../../src/index.ts'
import { loopFor } from './loop-for.ts'

const [way = '', directory = '', seconds] = process.argv.slice(2)
const usual = { models: { iris: directory }, httpPort: 0, logLevel: 'silent', enableGrpc: false } as const
const behind = way === 'loopback' ? await createServer(usual) : undefined
const target =
  behind === undefined ? { serviceName: 'iris' } : { serviceUrl: `${(await behind.start()).http}/v2/models/iris/infer` }
const spec = { nodes: { root: { routerType: 'Sequence', steps: [target, target, target] } } }
const server = await createServer({ ...usual, graphs: [{ name: 'three', spec }] })
await server.start()
const call = way === 'plain' ? () => inTurn(server) : () => ask(server, 'three')
await loopFor(seconds, call)
await server.close()
await behind?.close()

function ask(asked: Server, name: string): Promise<unknown> {
  return asked.infer({
    model: { name },
    inputs: [tensor('X', 'FP32', [1, 4], Float32Array.of(6.3, 3.3, 6, 2.5))],
  })
}

async function inTurn(asked: Server): Promise<unknown> {
  await ask(asked, 'iris')
  await ask(asked, 'iris')
  return ask(asked, 'iris')
}
