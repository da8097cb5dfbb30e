/** Program: `node:http` alone; echoes bodies, or is a sink that reads them and answers with a few bytes. */
import { createServer } from 'node:http'
import { announce, host } from './announce.ts'

const isEcho = process.argv[2] === 'echo'

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    const answer = isEcho ? body : Buffer.from(JSON.stringify({ bytes: body.length }))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    response.end(answer)
  })
})
server.listen(0, host, () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) announce(`http://${host}:${address.port}`)
})
