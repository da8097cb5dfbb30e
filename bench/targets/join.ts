/** Program: joins 128 requests of 10,000 floats into one run, by Servable's own code or element by element. */
import { tensor } from '../../src/core/tensor.ts'
import { join } from '../../src/scheduling/batch.ts'
import { loopFor } from './loop-for.ts'

const [kind = '', seconds] = process.argv.slice(2)
const [requests, elements] = [128, 10_000]
const batches = Array.from({ length: requests }, () => ({
  inputs: [tensor('x', 'FP32', [1, elements], new Float32Array(elements).fill(0.5))],
}))

const calls: Readonly<Record<string, () => unknown>> = {
  join: () => join(batches, requests),
  concat: () => {
    let joined: number[] = []
    for (const { inputs } of batches) joined = joined.concat(Array.from(inputs[0]?.data ?? []))
    return Float32Array.from(joined)
  },
}
const call = calls[kind]
if (call === undefined) throw new Error(`no call '${kind}': there are ${Object.keys(calls).join(', ')}`)
await loopFor(seconds, call)
