/** Models for Triton's extensions, and an app over a real repository of them. */
import type { FastifyInstance } from 'fastify'
import { InferenceError } from '../../src/core/errors.ts'
import type { InferenceResponse } from '../../src/core/inference.ts'
import { silentLog, switchedLog, type Log, type LogSwitches } from '../../src/core/log.ts'
import type { Hooks, Model } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { headerPattern } from '../../src/dataplane/forwarded-headers.ts'
import { LogSettings } from '../../src/dataplane/log-settings.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { createRestApp } from '../../src/rest/app.ts'
import { defineModel, type DefinedModel } from '../../src/runtime/define-model.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { Statistics } from '../../src/telemetry/statistics.ts'

/** `x / 2` by row; its classes have names. */
const scores = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1, 3] } },
  outputs: { y: { datatype: 'FP32', shape: [-1, 3] }, text: { datatype: 'BYTES', shape: [-1] } },
  maxBatchSize: 4,
  predict: ({ x }) => ({
    y: { shape: x.shape, data: x.data.map((value) => value / 2) },
    text: [Buffer.from('hi')],
  }),
})

/** Its first dimension is no batch. */
const vector = defineModel({
  inputs: { x: { datatype: 'INT64', shape: [3] } },
  outputs: { y: { datatype: 'INT64', shape: [3] } },
  predict: ({ x }) => ({ y: x.data }),
})

/** Answers its text, and its parameters as JSON. */
const echo = defineModel({
  inputs: {
    text_input: { datatype: 'BYTES', shape: [-1] },
    count: { datatype: 'INT64', shape: [-1, 2], isOptional: true },
  },
  outputs: {
    text_output: { datatype: 'BYTES', shape: [-1] },
    count: { datatype: 'INT64', shape: [-1] },
    parameters: { datatype: 'BYTES', shape: [1] },
  },
  predict: ({ text_input, count }, { parameters }) => ({
    text_output: text_input.data,
    count: count?.data ?? new BigInt64Array(),
    parameters: [Buffer.from(JSON.stringify(parameters))],
  }),
})

const one = defineModel({
  inputs: { name: { datatype: 'BYTES', shape: [1] } },
  outputs: { name: { datatype: 'BYTES', shape: [1] } },
  predict: ({ name }) => ({ name: name.data }),
})

const free = defineModel({
  inputs: { x: { datatype: 'BYTES', shape: [-1] } },
  outputs: { y: { datatype: 'BYTES', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data }),
})

/** What happened to the model `words`. */
export interface WordsLog {
  isCancelled: boolean
  /** Called after each word that was sent. */
  onWord: () => void
  /** Called when the model has given its last word, or is told to stop. */
  onEnd: () => void
}

/** One response for each word; the word `bad` fails. */
function words(log: WordsLog): Model {
  return {
    metadata: {
      platform: 'test',
      inputs: [{ name: 'text_input', datatype: 'BYTES', shape: [-1] }],
      outputs: [{ name: 'text_output', datatype: 'BYTES', shape: [-1] }],
      isDecoupled: true,
    },
    memoryBytes: 0,
    maxBatchSize: 0,
    concurrency: 1,
    predict: async () => [],
    close: async () => undefined,
    async *stream({ id, inputs: [input] }, { signal }): AsyncIterable<InferenceResponse> {
      const text = input?.datatype === 'BYTES' ? Buffer.from(input.data[0] ?? []).toString() : ''
      // Told to stop by the signal or by an early return, whichever comes first.
      let isStopped = true
      signal.addEventListener('abort', () => (log.isCancelled = true))
      try {
        for (const word of text === '' ? [] : text.split(' ')) {
          if (word === 'bad') {
            isStopped = false
            throw new InferenceError('invalid_argument', 'a bad word')
          }
          yield {
            ...(id === undefined ? {} : { id }),
            model: { name: 'words', version: '1' },
            outputs: [tensor('text_output', 'BYTES', [1], [Buffer.from(word)])],
          }
          log.onWord()
          if (signal.aborted) return
          await new Promise((resolve) => setImmediate(resolve))
        }
        isStopped = false
      } finally {
        log.isCancelled ||= isStopped
        log.onEnd()
      }
    },
  }
}

export interface ExtensionApp {
  readonly app: FastifyInstance
  readonly words: WordsLog
  readonly switches: LogSwitches
  readonly lines: readonly string[]
}

export async function createExtensionApp(): Promise<ExtensionApp> {
  const repository = new ModelRepository()
  const log: WordsLog = { isCancelled: false, onWord: () => undefined, onEnd: () => undefined }
  const labels: Hooks = { labels: new Map([['y', ['cat', 'dog', 'cow']]]) }
  const add = async (name: string, model: Model | DefinedModel, hooks: readonly Hooks[] = []) => {
    const load = async (signal: AbortSignal) => ({
      model: schedule('open' in model ? await model.open(signal) : model, { name, maxQueueSize: 100 }),
      hooks,
    })
    await repository.load({ ref: { name, version: '1' }, runtime: 'test', load })
  }
  await add('scores', scores)
  await add('animals', scores, [labels])
  await add('vector', vector)
  await add('echo', echo)
  await add('one', one)
  await add('free', free)
  await add('words', words(log))
  const switches: LogSwitches = { debug: false, info: true, warn: true, error: true }
  const lines: string[] = []
  const recording: Log = { ...silentLog, debug: (_fields, message) => void lines.push(message) }
  const metrics = new Metrics({ version: '0.0.1', models: () => repository.list() })
  const statistics = new Statistics()
  const dataPlane = new DataPlane(repository, [metrics, statistics], {
    statistics,
    logSettings: new LogSettings(switches),
    forwardedHeaders: headerPattern('x-trace-.*|priority'),
  })
  const app = createRestApp({ dataPlane, metrics, log: switchedLog(recording, switches), version: '0.0.1' })
  return { app, words: log, switches, lines }
}
