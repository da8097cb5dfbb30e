/**
 * A server inside a program: it serves a model file over REST, and the program itself asks the model without a socket.
 *
 *   npm run build && node dist/examples/embedded-server/main.js
 */
import { createServer, tensor, type Server } from 'servable'

/** Starts a server for the iris sample on a free port. */
export async function startServer(models: string): Promise<Server> {
  const server = await createServer({ models: { iris: `${models}/iris` }, httpPort: 0, logLevel: 'warn' })
  await server.start()
  return server
}

/** Class probabilities of one flower, `[3]`, straight from the model. */
export async function probabilities(server: Server, flower: readonly number[]): Promise<readonly number[]> {
  const response = await server.infer({
    model: { name: 'iris' },
    inputs: [tensor('X', 'FP32', [1, 4], Float32Array.from(flower))],
    outputs: ['probabilities'],
  })
  const [output] = response.outputs
  return output?.datatype === 'FP32' ? [...output.data] : []
}

if (process.argv[1] === import.meta.filename) {
  const server = await startServer('models')
  console.log(await probabilities(server, [5.1, 3.5, 1.4, 0.2]))
  await server.close()
}
