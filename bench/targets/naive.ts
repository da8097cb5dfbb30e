/** Program: what somebody writes in an afternoon: parse, run in the handler, stringify. FP32 inputs only. */
import * as ort from 'onnxruntime-node'
import { announce, host } from './announce.ts'
import { createApp } from './app.ts'

interface Body {
  readonly inputs: readonly {
    readonly name: string
    readonly shape: readonly number[]
    readonly data: readonly number[]
  }[]
}

const [file = ''] = process.argv.slice(2)
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 })

const app = createApp()
app.post<{ Body: Buffer }>('/*', async (request, reply) => {
  const { inputs } = JSON.parse(request.body.toString()) as Body // naive: trusts its callers
  const feeds: Record<string, ort.Tensor> = {}
  for (const { name, data, shape } of inputs) feeds[name] = new ort.Tensor('float32', Float32Array.from(data), shape)
  const results = await session.run(feeds)
  const outputs = Object.entries(results).map(([name, { data, dims, type }]) => ({
    name,
    shape: dims,
    datatype: type === 'int64' ? 'INT64' : 'FP32',
    data: Array.from(data as Iterable<number | bigint>, Number), // numbers: its models have no strings
  }))
  void reply.header('content-type', 'application/json')
  return reply.send(JSON.stringify({ model_name: 'naive', outputs }))
})
announce(await app.listen({ port: 0, host }))
