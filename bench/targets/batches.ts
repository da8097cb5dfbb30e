/** Program: times runs of a model with onnxruntime-node alone, by number of rows, and prints `[{rows, ms}]`. FP32 inputs only. */
import * as ort from 'onnxruntime-node'
import { elementCount } from '../../src/core/tensor.ts'

/** Of each size; enough for a median, and bounded for slow models. */
const mostRuns = 200
const leastRuns = 5
const budgetMs = 300

const [file = '', input = '', dimensions = '', sizes = ''] = process.argv.slice(2)
const row = dimensions.split(',').map(Number)
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 })

const samples: { readonly rows: number; readonly ms: number }[] = []
for (const rows of sizes.split(',').map(Number)) samples.push({ rows, ms: await median(rows) })
console.log(JSON.stringify(samples))

async function median(rows: number): Promise<number> {
  const shape = [rows, ...row]
  const feeds = { [input]: new ort.Tensor('float32', new Float32Array(elementCount(shape)).fill(0.1), shape) }
  const times: number[] = []
  await session.run(feeds)
  await session.run(feeds)
  for (let spentMs = 0; times.length < leastRuns || (spentMs < budgetMs && times.length < mostRuns);) {
    const started = performance.now()
    await session.run(feeds)
    const ms = performance.now() - started
    spentMs += ms
    times.push(ms)
  }
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)] ?? NaN
}
