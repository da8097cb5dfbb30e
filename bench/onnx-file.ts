/** Writes the parts of ONNX files: protobuf messages from their fields. */

/** ONNX's TensorProto.DataType. */
const float32 = 1

/** ModelProto, opset 13. @param graph GraphProto */
export function modelOf(graph: Uint8Array): Uint8Array {
  const opset = message(text(1, ''), integer(2, 13))
  const irVersion = 8
  return message(integer(1, irVersion), nested(7, graph), nested(8, opset))
}

/** A field `node` of GraphProto: an operator without attributes. */
export function node(operator: string, inputs: readonly string[], output: string): Uint8Array {
  return nested(1, message(...inputs.map((input) => text(1, input)), text(2, output), text(4, operator)))
}

/** A field `initializer` of GraphProto: weights. */
export function weights(name: string, shape: readonly number[], data: Float32Array): Uint8Array {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return nested(
    5,
    message(...shape.map((size) => integer(1, size)), integer(2, float32), text(8, name), nested(9, bytes)),
  )
}

/** ValueInfoProto of an FP32 input or output. @param dimensions a name where the size is free */
export function value(name: string, dimensions: readonly (number | string)[]): Uint8Array {
  const shape = dimensions.map((dimension) =>
    nested(1, typeof dimension === 'number' ? integer(1, dimension) : text(2, dimension)),
  )
  const tensor = message(integer(1, float32), nested(2, message(...shape)))
  return message(text(1, name), nested(2, nested(1, tensor)))
}

export function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields)
}

export function nested(field: number, bytes: Uint8Array): Uint8Array {
  return message(varint(field * 8 + 2), varint(bytes.length), bytes)
}

export function text(field: number, characters: string): Uint8Array {
  return nested(field, Buffer.from(characters))
}

export function integer(field: number, number: number): Uint8Array {
  return message(varint(field * 8), varint(number))
}

function varint(number: number): Uint8Array {
  const bytes: number[] = []
  let rest = number
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Uint8Array.of(...bytes, rest)
}
