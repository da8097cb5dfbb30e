/** Protobuf messages put into messages, by hand. */
import { ProtoWriter } from '../../src/codec/protobuf-writer.ts'

/** A message whose one field holds `message`. */
export function embedded(field: number, message: Uint8Array): Uint8Array {
  const writer = new ProtoWriter(64 + message.byteLength)
  writer.bytes(field, message)
  return writer.finish()
}
