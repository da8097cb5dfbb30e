/** A model over pictures that costs next to nothing, written as an ONNX file: what is measured is the server around it. */

/** ONNX's AttributeProto.AttributeType. */
const attributeInt = 2
const attributeInts = 7
/** ONNX's TensorProto.DataType. */
const float32 = 1

/** ModelProto of `mean: x FP32[N,3,224,224] → y FP32[N]`, opset 13. */
export function meanModel(): Uint8Array {
  const axes = message(
    text(1, 'axes'),
    ...[1, 2, 3].map((axis) => integer(8, axis)), // ints
    integer(20, attributeInts), // type
  )
  const keepdims = message(text(1, 'keepdims'), integer(3, 0), integer(20, attributeInt))
  const node = message(text(1, 'x'), text(2, 'y'), text(4, 'ReduceMean'), nested(5, axes), nested(5, keepdims))
  const graph = message(
    nested(1, node),
    text(2, 'mean'),
    nested(11, value('x', ['N', 3, 224, 224])), // input
    nested(12, value('y', ['N'])), // output
  )
  const opset = message(text(1, ''), integer(2, 13))
  const irVersion = 8
  return message(integer(1, irVersion), nested(7, graph), nested(8, opset))
}

/** ValueInfoProto. */
function value(name: string, dimensions: readonly (number | string)[]): Uint8Array {
  const shape = dimensions.map((dimension) =>
    nested(1, typeof dimension === 'number' ? integer(1, dimension) : text(2, dimension)),
  )
  const tensor = message(integer(1, float32), nested(2, message(...shape)))
  return message(text(1, name), nested(2, nested(1, tensor)))
}

function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields)
}

function nested(field: number, bytes: Uint8Array): Uint8Array {
  return message(varint(field * 8 + 2), varint(bytes.length), bytes)
}

function text(field: number, characters: string): Uint8Array {
  return nested(field, Buffer.from(characters))
}

function integer(field: number, number: number): Uint8Array {
  return message(varint(field * 8), varint(number))
}

function varint(number: number): Uint8Array {
  const bytes: number[] = []
  let rest = number
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Uint8Array.of(...bytes, rest)
}
