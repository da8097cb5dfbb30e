/** Program: grpc-js with identity serialisers; echoes messages, or answers each with the message that it was given. */
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import { modelInfer, predict } from '../grpc-message.ts'
import { announce, host } from './announce.ts'

const [given = 'echo'] = process.argv.slice(2)
const fixed = Buffer.from(given, 'hex')

const asIs = (bytes: Buffer): Buffer => bytes
const method = (path: string) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
})

const answer: handleUnaryCall<Buffer, Buffer> =
  given === 'echo' ? (call, callback) => callback(null, call.request) : (_call, callback) => callback(null, fixed)

const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.enable_channelz': 0 })
server.addService({ modelInfer: method(modelInfer), predict: method(predict) }, { modelInfer: answer, predict: answer })
server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  announce('', `${host}:${port}`)
})
