/** Serves what train.py exported and compares all answers, over every protocol, to TensorFlow's. Prints `N passed, N failed`. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Client, credentials } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { saveLayers } from './save-layers.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const [folder, build] = process.argv.slice(2)
const built = (file) => import(pathToFileURL(join(build, file)).href)
const { createServer } = await built('src/server/server.js')
const { createClient } = await built('src/client/index.js')
const { installed } = await built('runtimes/tensorflow/native.js')

const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const cases = read('golden.json')
const protocols = ['v1', 'v2', 'grpc-v1', 'grpc-v2']
let passed = 0
let failed = 0

await saveLayers(read('weights.json'), join(folder, 'layers'))
const models = Object.fromEntries(
  ['layers', 'graph', 'keras'].map((name) => [name, join(folder, name)]).filter(([, path]) => existsSync(path)),
)
if (installed('@tensorflow/tfjs-node') === undefined) {
  console.log('SavedModels are not served: @tensorflow/tfjs-node is not installed (scripts/install-tensorflow)')
} else {
  Object.assign(models, { classifier: join(folder, 'classifier'), exported: join(folder, 'exported') })
}
const log = { debug() {}, info() {}, warn: print, error: print, isDebugEnabled: false }
const server = await createServer({ models, log, httpPort: 0, grpcPort: 0 })
try {
  const { http, grpc } = await server.start()
  for (const model of Object.keys(models)) {
    for (const protocol of protocols) {
      await check(`${model} by ${protocol}`, () => compareNumbers(model, protocol, http, grpc))
    }
  }
  if (models.classifier !== undefined) {
    await check('texts by v1', () => compareTexts((lines) => predictV1(http, lines)))
    await check('texts by v2', () => compareTexts((lines) => inferV2(http, lines)))
    await check('texts by grpc-v1', () => compareTexts((lines) => predictGrpc(grpc, lines)))
    await check('texts by grpc-v2', () => compareTexts((lines) => inferGrpc(grpc, lines)))
  }
} finally {
  await server.close()
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function check(name, work) {
  try {
    await work()
    passed += 1
  } catch (reason) {
    failed += 1
    console.log(`${name}: ${reason.message}`)
  }
}

/** TensorFlow greets on the way. */
function print(fields, message) {
  if (message !== 'model process wrote') console.log(message, fields)
}

/** The rows of every case, through the client of this package. */
async function compareNumbers(model, protocol, http, grpc) {
  const { inputs, outputs: described } = await (await fetch(`${http}/v2/models/${model}`)).json()
  const client = createClient(protocol.startsWith('grpc') ? grpc : http, { protocol })
  try {
    for (const { features, probabilities, label } of cases) {
      const x = { datatype: 'FP32', shape: [features.length, 4], data: Float32Array.from(features.flat()) }
      const { outputs } = await client.infer(model, { [inputs[0].name]: x })
      const found = Object.values(outputs)
      if (found.length !== described.length) throw new Error(`${found.length} outputs`)
      close(found.find(({ shape }) => shape.length === 2)?.data, probabilities.flat())
      const labels = found.find(({ shape }) => shape.length === 1)
      if (described.length > 1) same(Array.from(labels?.data ?? [], Number), label)
    }
  } finally {
    client.close()
  }
}

/** @param ask of lines: the probabilities, flat, and the names */
async function compareTexts(ask) {
  for (const { lines, line_probabilities: probabilities, name } of cases) {
    const answer = await ask(lines)
    close(answer.probabilities, probabilities.flat())
    same(answer.names, name)
  }
}

async function predictV1(http, lines) {
  const { predictions } = await post(`${http}/v1/models/classifier:predict`, {
    signature_name: 'lines',
    instances: lines,
  })
  return { probabilities: predictions.flatMap((row) => row.probabilities), names: predictions.map((row) => row.name) }
}

async function inferV2(http, lines) {
  const inputs = [{ name: 'lines', datatype: 'BYTES', shape: [lines.length], data: lines }]
  const { outputs } = await post(`${http}/v2/models/classifier/infer`, {
    inputs,
    parameters: { signature_name: 'lines' },
  })
  const dataOf = (name) => outputs.find((output) => output.name === name)?.data
  return { probabilities: dataOf('probabilities'), names: dataOf('name') }
}

async function inferGrpc(grpc, lines) {
  const client = createClient(grpc, { protocol: 'grpc-v2' })
  try {
    const data = lines.map((line) => Buffer.from(line))
    const tensor = { datatype: 'BYTES', shape: [lines.length], data }
    const { outputs } = await client.infer('classifier', { lines: tensor }, { parameters: { signature_name: 'lines' } })
    return { probabilities: outputs.probabilities?.data, names: texts(outputs.name?.data ?? []) }
  } finally {
    client.close()
  }
}

/** TensorFlow Serving's Predict, encoded by the protocol buffers of `proto/`. */
async function predictGrpc(grpc, lines) {
  const definitions = loadSync('tensorflow_serving/apis/prediction_service.proto', {
    includeDirs: [join(root, 'proto')],
    keepCase: true,
    longs: String,
    enums: String,
  })
  const { path, requestSerialize, responseDeserialize } = definitions['tensorflow.serving.PredictionService'].Predict
  const client = new Client(new URL(`http://${grpc.replace(/^\w+:\/\//, '')}`).host, credentials.createInsecure())
  const tensor_shape = { dim: [{ size: lines.length }] }
  const request = {
    model_spec: { name: 'classifier', signature_name: 'lines' },
    inputs: { lines: { dtype: 'DT_STRING', tensor_shape, string_val: lines.map((line) => Buffer.from(line)) } },
  }
  try {
    const { outputs } = await new Promise((resolve, reject) => {
      const done = (error, response) => (error ? reject(error) : resolve(response))
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, {}, done)
    })
    return { probabilities: outputs.probabilities.float_val, names: texts(outputs.name.string_val) }
  } finally {
    client.close()
  }
}

async function post(url, body) {
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return answer.json()
}

function texts(values) {
  return Array.from(values, (value) => Buffer.from(value).toString())
}

function close(values = [], expected) {
  const wrong = expected.findIndex((value, index) => !(Math.abs(values[index] - value) <= 1e-5))
  if (wrong >= 0 || values.length !== expected.length) {
    throw new Error(`[${wrong}] is ${values[wrong]} instead of ${expected[wrong]}, of ${values.length} values`)
  }
}

function same(values, expected) {
  if (String(values) !== String(expected)) throw new Error(`${values} instead of ${expected}`)
}
