/** Program: calls a model with onnxruntime-node alone, one call after the other, and prints calls per second. */
import * as ort from 'onnxruntime-node'

const [file = '', input = '', dims = '', type = 'float32', seconds = '1'] = process.argv.slice(2)
const shape = dims.split(',').map(Number)
const count = shape.reduce((product, dimension) => product * dimension, 1)
const data = type === 'int32' ? new Int32Array(count) : new Float32Array(count)
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 })
const feeds: Record<string, ort.Tensor> = {}
for (const name of input.split(',')) feeds[name] = new ort.Tensor(type as 'float32', data as Float32Array, shape) // told apart above

await runFor(300) // until the just-in-time compiler is done
console.log(JSON.stringify({ perSecond: await runFor(Number(seconds) * 1000) }))

async function runFor(milliseconds: number): Promise<number> {
  const started = performance.now()
  let calls = 0
  let elapsed = 0
  for (; elapsed < milliseconds; elapsed = performance.now() - started) {
    await session.run(feeds)
    calls += 1
  }
  return (calls / elapsed) * 1000
}
