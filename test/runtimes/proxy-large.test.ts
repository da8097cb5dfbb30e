/** Many large calls at once through one connection to an upstream. */
import { expect, it } from 'vitest'
import { defineModel } from '../../src/runtime/define-model.ts'
import { proxied, serve } from './proxy-support.ts'

/** 600 KB, the size of a picture of 1×3×224×224 numbers. */
const elements = 150_528
/** Together more than HTTP/2 sessions of Node hold unasked: 10 MB. */
const calls = 48

it('all get their answers', async () => {
  const gate: { open?: () => void } = {}
  const opened = new Promise<void>((resolve) => (gate.open = resolve))
  let waiting = 0
  const sum = defineModel({
    inputs: { x: { datatype: 'FP32', shape: [-1] } },
    outputs: { y: { datatype: 'FP32', shape: [1] } },
    concurrency: calls,
    maxQueueSize: calls,
    predict: async ({ x }) => {
      waiting += 1
      if (waiting === calls) gate.open?.() // all of them are under way
      await opened
      return { y: Float32Array.of(x.data[0] ?? NaN) }
    },
  })
  const upstream = await serve({ sum })
  const { client } = await proxied({ profile: 'triton', upstreams: [upstream.url.grpc] }, { name: 'sum' })
  const caller = client('grpc-v2')
  const answers = await Promise.all(
    Array.from({ length: calls }, (_, index) =>
      caller.infer('sum', { x: new Float32Array(elements).fill(index) }).then(({ outputs }) => outputs['y']?.data[0]),
    ),
  )
  expect(answers).toEqual(Array.from({ length: calls }, (_, index) => index))
})
