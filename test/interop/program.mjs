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

/** Two signatures, as SavedModels have them: the second gets serialized examples, and tells how many bytes each has. */
const signatures = [
  {
    ...{ name: 'serving_default', methodName: 'tensorflow/serving/predict' },
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
  },
  {
    ...{ name: 'regress_bytes', methodName: 'tensorflow/serving/regress' },
    inputs: [{ name: 'inputs', datatype: 'BYTES', shape: [-1] }],
    outputs: [{ name: 'outputs', datatype: 'FP32', shape: [-1] }],
  },
]
const signed = {
  version: '1',
  maxQueueSize: 100,
  scheduling: {},
  isCached: false,
  open: async () => ({
    metadata: {
      platform: 'servable_custom',
      inputs: signatures[0].inputs,
      outputs: signatures[0].outputs,
      signatures,
    },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 1,
    predict: async ({ inputs: [input], parameters }) =>
      parameters?.signature_name === 'regress_bytes'
        ? [
            tensor(
              'outputs',
              'FP32',
              input.shape,
              Float32Array.from(input.data, ({ length }) => length),
            ),
          ]
        : [tensor('y', 'FP32', input.shape, input.data)],
    close: async () => undefined,
  }),
}

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
  models: {
    'identity-bf16': identity('BF16'),
    'identity-bytes': identity('BYTES'),
    half_plus_two: halfPlusTwo,
    signed,
    words,
  },
  httpPort: 0,
  grpcPort: 0,
  logFormat: 'json',
})
const { http, grpc } = await server.start()
console.log(JSON.stringify({ msg: 'listening', http, grpc }))
console.log(JSON.stringify({ msg: 'ready' }))
process.on('SIGTERM', () => void server.close())
