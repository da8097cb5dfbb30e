/** `ModelStreamInfer`: many requests and their responses over one call. */
import type { handleBidiStreamingCall } from '@grpc/grpc-js'
import type { Door } from './door.ts'

export function inferStream(door: Door): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => {
    void door
    call.end()
  }
}
