/** The files of the projects that `servable init` writes: plain JavaScript, tested by Node's own runner. */

export const projectKinds = ['runtime', 'predictor', 'transformer'] as const
export type ProjectKind = (typeof projectKinds)[number]

/**
 * @param name of the project: small letters, digits, hyphens
 * @param version of this package
 * @returns text by path
 */
export function projectFiles(kind: ProjectKind, name: string, version: string): ReadonlyMap<string, string> {
  const files = { runtime: runtimeFiles, predictor: predictorFiles, transformer: transformerFiles }[kind]
  const all = { 'package.json': manifest(kind, name, version), ...files(name) }
  return new Map(Object.entries(all).map(([path, text]) => [path, `${text.trimStart().trimEnd()}\n`]))
}

function manifest(kind: ProjectKind, name: string, version: string): string {
  const start = kind === 'runtime' ? 'servable serve models --runtime ./index.js' : 'node server.js'
  const servable = { servable: `^${version}` }
  return JSON.stringify(
    {
      name,
      version: '0.1.0',
      type: 'module',
      ...(kind === 'runtime' ? { exports: './index.js' } : { private: true }),
      scripts: { start, test: 'node --test' },
      ...(kind === 'runtime' ? { peerDependencies: servable, devDependencies: servable } : { dependencies: servable }),
    },
    null,
    2,
  )
}

type Files = Readonly<Record<string, string>>

function runtimeFiles(name: string): Files {
  return {
    'README.md': `
# ${name}

A runtime for [Servable](https://www.npmjs.com/package/servable): serves models of the format \`${name}\`.

    npm test
    npm start
    curl localhost:8080/v1/models/half:predict -d '{"instances": [1, 2, 5]}'

A model names it in its \`model.yaml\`, or the server is told by \`--runtime ${name}\`.
`,
    'index.js': `
/** A runtime for Servable: its models are lines, y = slope * x + offset, kept as JSON. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError, messageOf, tensor } from 'servable/runtime'

/** @type {import('servable/runtime').Runtime} */
const runtime = {
  api: 1,
  name: '${name}',
  formats: ['${name}'],
  load,
}
export default runtime

/** @type {import('servable/runtime').Runtime['load']} */
async function load(spec, log, signal) {
  if (signal.aborted) throw new InferenceError('cancelled', 'the load was cancelled')
  const { slope, offset } = await readLine(spec.file ?? join(spec.directory, 'line.json'))
  return {
    metadata: {
      platform: '${name.replaceAll('-', '_')}_line',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
      parameters: { device: 'cpu', placement: 'inline' },
    },
    memoryBytes: 16,
    maxBatchSize: spec.maxBatchSize ?? 0,
    concurrency: 1,
    async predict({ inputs }, signal) {
      if (signal.aborted) throw new InferenceError('cancelled', 'the request was cancelled')
      const [x] = inputs
      if (x?.datatype !== 'FP32') throw new InferenceError('invalid_argument', "input 'x' must be FP32")
      return [tensor('y', 'FP32', x.shape, x.data.map((value) => slope * value + offset))]
    },
    async close() {},
  }
}

/** @param {string} file */
async function readLine(file) {
  try {
    const { slope, offset } = JSON.parse(await readFile(file, 'utf8'))
    if (typeof slope !== 'number' || typeof offset !== 'number') throw new Error('slope and offset must be numbers')
    return { slope, offset }
  } catch (reason) {
    throw new InferenceError('failed_precondition', \`model file '\${file}': \${messageOf(reason)}\`, { cause: reason })
  }
}
`,
    'models/half/model.yaml': `
format: ${name}
file: line.json
`,
    'models/half/line.json': '{ "slope": 0.5, "offset": 2 }',
    'index.test.js': `
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createServer } from 'servable'
import { tensor } from 'servable/runtime'
import { describeContract } from 'servable/runtime/contract'
import runtime from './index.js'

const directory = fileURLToPath(new URL('models/half', import.meta.url))

describeContract({ describe, it }, '${name}', {
  runtime,
  spec: {
    ref: { name: 'half', version: '1' },
    format: '${name}',
    directory,
    file: \`\${directory}/line.json\`,
    device: 'cpu',
    placement: 'auto',
    maxQueueSize: 100,
    options: {},
  },
  cases: () => [
    {
      inputs: [tensor('x', 'FP32', [3], Float32Array.of(1, 2, 5))],
      outputs: [tensor('y', 'FP32', [3], Float32Array.of(2.5, 3, 4.5))],
    },
  ],
})

describe('the server', () => {
  it('serves a model of this runtime', async () => {
    const server = await createServer({ models: directory, runtimes: [runtime], httpPort: 0, enableGrpc: false })
    after(() => server.close())
    const { http } = await server.listen()
    await server.load()
    const body = JSON.stringify({ instances: [1, 2, 5] })
    const response = await fetch(\`\${http}/v1/models/half:predict\`, { method: 'POST', body })
    assert.deepEqual(await response.json(), { predictions: [2.5, 3, 4.5] })
  })
})
`,
  }
}

function predictorFiles(name: string): Files {
  return {
    'README.md': readme(name, 'A model written in JavaScript, served by', `{"instances": [1, 2, 5]}`),
    'model.js': `
/** The model: half of x, plus two. */
import { defineModel } from 'servable'

export default defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  batching: true,
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2 + 2) }),
})
`,
    'server.js': serverProgram(name, 'model'),
    'model.test.js': `
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { createServer } from 'servable'
import model from './model.js'

it('answers half of x, plus two', async () => {
  const server = await createServer({ models: { '${name}': model }, httpPort: 0, enableGrpc: false })
  after(() => server.close())
  const { http } = await server.listen()
  await server.load()
  const body = JSON.stringify({ instances: [1, 2, 5] })
  const response = await fetch(\`\${http}/v1/models/${name}:predict\`, { method: 'POST', body })
  assert.deepEqual(await response.json(), { predictions: [2.5, 3, 4.5] })
})
`,
  }
}

function transformerFiles(name: string): Files {
  return {
    'README.md': `${readme(name, 'A model that asks another one, served by', `{"instances": [[0, 128, 255]]}`).trimEnd()}

\`PREDICTOR_URL\` says where the other model is: \`http://localhost:8081/v1/models/other\`.
`,
    'transformer.js': `
/** Scales pixels from 0…255 to 0…1, asks the predictor, and rounds its scores. */
import { defineModel, InferenceError } from 'servable'

/** @param {string} predictorUrl as \`http://host:port/v1/models/name\` */
export function createTransformer(predictorUrl) {
  return defineModel({
    inputs: { pixels: { datatype: 'FP32', shape: [-1, -1] } },
    outputs: { scores: { datatype: 'FP32', shape: [-1] } },
    concurrency: 16,
    async predict({ pixels }, { signal }) {
      const scores = await ask(predictorUrl, scaled(pixels), signal)
      return { scores: Float32Array.from(scores, (score) => Math.round(score * 100) / 100) }
    },
  })
}

/** Before the predictor. @param {{ shape: readonly number[], data: Float32Array }} pixels */
function scaled({ shape, data }) {
  const [rows = 0, columns = 0] = shape
  return Array.from({ length: rows }, (_, row) =>
    Array.from(data.subarray(row * columns, (row + 1) * columns), (value) => value / 255),
  )
}

/** @param {string} url @param {number[][]} instances @param {AbortSignal} signal */
async function ask(url, instances, signal) {
  const request = { method: 'POST', body: JSON.stringify({ instances }), signal }
  const response = await fetch(\`\${url}:predict\`, request).catch((cause) => {
    throw new InferenceError('unavailable', 'the predictor cannot be reached', { cause })
  })
  const answer = await response.json()
  if (!response.ok) throw new InferenceError('unavailable', \`the predictor: \${answer.error}\`)
  return answer.predictions
}
`,
    'model.js': `
import { createTransformer } from './transformer.js'

export default createTransformer(process.env.PREDICTOR_URL ?? 'http://localhost:8081/v1/models/other')
`,
    'server.js': serverProgram(name, 'model'),
    'transformer.test.js': `
import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { createServer, defineModel } from 'servable'
import { createTransformer } from './transformer.js'

const sum = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1, 3] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: Float32Array.of(x.data.reduce((total, value) => total + value, 0)) }),
})

/** @param {import('servable').ModelSources} models */
async function serve(models) {
  const server = await createServer({ models, httpPort: 0, enableGrpc: false })
  after(() => server.close())
  const { http } = await server.listen()
  await server.load()
  return http
}

/** @param {string} url */
function predict(url) {
  return fetch(\`\${url}:predict\`, { method: 'POST', body: JSON.stringify({ instances: [[0, 128, 255]] }) })
}

it('asks the predictor for scaled pixels, and rounds its scores', async () => {
  const predictor = await serve({ other: sum })
  const http = await serve({ '${name}': createTransformer(\`\${predictor}/v1/models/other\`) })
  assert.deepEqual(await (await predict(\`\${http}/v1/models/${name}\`)).json(), { predictions: [1.5] })
})

it('says that the predictor cannot be reached', async () => {
  const http = await serve({ '${name}': createTransformer('http://127.0.0.1:1/v1/models/other') })
  assert.equal((await predict(\`\${http}/v1/models/${name}\`)).status, 503)
})
`,
  }
}

function readme(name: string, what: string, body: string): string {
  return `
# ${name}

${what} [Servable](https://www.npmjs.com/package/servable).

    npm test
    npm start
    curl localhost:8080/v1/models/${name}:predict -d '${body}'
`
}

function serverProgram(name: string, file: string): string {
  return `
import { createServer } from 'servable'
import model from './${file}.js'

const server = await createServer({ models: { '${name}': model } })
console.log(await server.listen())
await server.load()
process.once('SIGINT', () => server.close())
process.once('SIGTERM', () => server.close())
`
}
