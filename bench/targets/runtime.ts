/** Program: calls a model with onnxruntime-node alone, one call after the other. */
import * as ort from 'onnxruntime-node'
import { elementCount } from '../../src/core/tensor.ts'
import { loopFor } from './loop-for.ts'

const [file = '', inputs = '', dimensions = '', type = '', seconds] = process.argv.slice(2)
const shape = dimensions.split(',').map(Number)
const count = elementCount(shape)
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 })
const feeds: Record<string, ort.Tensor> = {}
for (const name of inputs.split(',')) {
  feeds[name] =
    type === 'int32'
      ? new ort.Tensor('int32', new Int32Array(count), shape)
      : new ort.Tensor('float32', new Float32Array(count), shape)
}
await loopFor(seconds, () => session.run(feeds))
