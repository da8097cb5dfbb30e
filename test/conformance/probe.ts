/** Asks a gRPC method with an empty message whether it is there. */
import * as grpc from '@grpc/grpc-js'

/** @param name `package.Service/Method`; any answer and any error but UNIMPLEMENTED tells that it is there */
export async function isImplemented(address: string, name: string): Promise<boolean> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  try {
    return await new Promise((resolve) => {
      const bytes = (value: Buffer): Buffer => value
      const call = client.makeBidiStreamRequest(`/${name}`, bytes, bytes, {})
      const settle = (isThere: boolean): void => {
        resolve(isThere)
        call.cancel()
      }
      call.on('data', () => settle(true))
      call.on('error', ({ code }: grpc.ServiceError) => settle(code !== grpc.status.UNIMPLEMENTED))
      call.on('end', () => settle(true))
      call.write(Buffer.alloc(0))
      call.end()
    })
  } finally {
    client.close()
  }
}
