/** Program: `node:http2` alone; reads what comes and answers every call with the message that it was given. */
import { createServer } from 'node:http2'
import { framed } from '../grpc-message.ts'
import { announce, host } from './announce.ts'

const answer = framed(Buffer.from(process.argv[2] ?? '', 'hex'))
const trailers = { 'grpc-status': '0', 'grpc-message': 'OK' } // as grpc-js says it

const server = createServer()
server.on('stream', (stream) => {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.on('error', () => undefined) // the generator leaves in the middle of calls
  stream.on('end', () => {
    if (stream.destroyed) return
    Buffer.concat(chunks)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
    stream.end(answer)
  })
})
server.listen(0, host, () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) announce('', `${host}:${address.port}`)
})
