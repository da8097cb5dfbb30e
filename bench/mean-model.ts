/** A model over pictures that costs next to nothing, written as an ONNX file: what is measured is the server around it. */

import { integer, message, modelOf, nested, text, value } from './onnx-file.ts'

/** ONNX's AttributeProto.AttributeType. */
const attributeInt = 2
const attributeInts = 7

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
  return modelOf(graph)
}
