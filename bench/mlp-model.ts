/** A model whose run costs much beside its rows: a perceptron whose weights do not fit into the cache of the processor. */
import { randomFrom } from './generator/arrivals.ts'
import { message, modelOf, nested, node, text, value, weights } from './onnx-file.ts'

/** Numbers of a row: a request stays small. */
export const mlpInputs = 64
const outputs = 10
/** 38 MB of weights: every layer reads them from memory anew, whatever the number of rows. */
const width = 3072

/**
 * ModelProto of `x FP32[N,64] → y FP32[N,10]`.
 *
 * @param layers they share their weights, so that the file stays small
 */
export function mlpModel(layers: number): Uint8Array {
  const nodes = [node('MatMul', ['x', 'first'], 'r0')]
  for (let layer = 0; layer < layers; layer += 1) {
    nodes.push(node('MatMul', [`r${layer}`, 'hidden'], `m${layer}`), node('Relu', [`m${layer}`], `r${layer + 1}`))
  }
  nodes.push(node('MatMul', [`r${layers}`, 'last'], 'y'))
  const graph = message(
    ...nodes,
    text(2, 'mlp'),
    weights('first', [mlpInputs, width], drawn(1, mlpInputs, width)),
    weights('hidden', [width, width], drawn(2, width, width)),
    weights('last', [width, outputs], drawn(3, width, outputs)),
    nested(11, value('x', ['N', mlpInputs])),
    nested(12, value('y', ['N', outputs])),
  )
  return modelOf(graph)
}

/** Of a variance that keeps the size of what goes through a layer and its ReLU (He's). */
function drawn(seed: number, rows: number, columns: number): Float32Array {
  const random = randomFrom(seed)
  const most = Math.sqrt(6 / rows)
  return Float32Array.from({ length: rows * columns }, () => (2 * random() - 1) * most)
}
