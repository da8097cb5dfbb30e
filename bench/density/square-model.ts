/** A model of 12 MB: one matrix. */
import { message, modelOf, nested, node, text, value, weights } from '../onnx-file.ts'

/** Rows and columns. */
const width = 1732
/** Of its weights. */
export const squareBytes = width * width * 4

/** ModelProto of `x FP32[N,1732] → y FP32[N,1732]`. */
export function squareModel(): Uint8Array {
  const data = Float32Array.from({ length: width * width }, (_, index) => (index % 1000) / 1e6)
  return modelOf(
    message(
      node('MatMul', ['x', 'w'], 'y'),
      text(2, 'square'),
      weights('w', [width, width], data),
      nested(11, value('x', ['N', width])),
      nested(12, value('y', ['N', width])),
    ),
  )
}
