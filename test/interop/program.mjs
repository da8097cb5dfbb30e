/** A server inside a program, with models that no file holds: bfloat16, strings of any bytes, and many answers to a request. */
const { createServer, defineModel, tensor } = await import(process.argv[2])

const identity = (datatype) =>
  defineModel({
    inputs: { IN: { datatype, shape: [-1, -1] } },
    outputs: { OUT: { datatype, shape: [-1, -1] } },
    predict: ({ IN }) => ({ OUT: { shape: IN.shape, data: IN.data } }),
  })

/** y = x / 2 + 2, the model of TensorFlow Serving's own examples. */
const halfPlusTwo = defineModel({
  version: '123',
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2 + 2) }),
})

/** Answers each word of its prompt by itself. */
const words = {
  version: '1',
  maxQueueSize: 100,
  scheduling: {},
  isCached: false,
  open: async () => ({
    metadata: {
      platform: 'servable_custom',
      inputs: [{ name: 'prompt', datatype: 'BYTES', shape: [1] }],
      outputs: [{ name: 'word', datatype: 'BYTES', shape: [1] }],
      isDecoupled: true,
    },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 4,
    predict: async () => [],
    close: async () => undefined,
    async *stream({ id, inputs: [prompt] }) {
      for (const word of Buffer.from(prompt.data[0]).toString().split(' ')) {
        const outputs = [tensor('word', 'BYTES', [1], [Buffer.from(word)])]
        yield { ...(id === undefined ? {} : { id }), model: { name: 'words', version: '1' }, outputs }
      }
    },
  }),
}

const server = await createServer({
  models: { 'identity-bf16': identity('BF16'), 'identity-bytes': identity('BYTES'), half_plus_two: halfPlusTwo, words },
  httpPort: 0,
  grpcPort: 0,
  logFormat: 'json',
})
const { http, grpc } = await server.start()
console.log(JSON.stringify({ msg: 'listening', http, grpc }))
console.log(JSON.stringify({ msg: 'ready' }))
process.on('SIGTERM', () => void server.close())
