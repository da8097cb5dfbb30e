/** Models for the tests of the gRPC door. */
import type { InferenceResponse } from '../../src/core/inference.ts'
import type { Model } from '../../src/core/model.ts'
import type { Tensor } from '../../src/core/tensor.ts'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'

/** Triton's example: two INT32 [-1,16] inputs, their sum and their difference. */
export const simple = defineModel({
  platform: 'onnxruntime_onnx',
  inputs: { INPUT0: { datatype: 'INT32', shape: [-1, 16] }, INPUT1: { datatype: 'INT32', shape: [-1, 16] } },
  outputs: { OUTPUT0: { datatype: 'INT32', shape: [-1, 16] }, OUTPUT1: { datatype: 'INT32', shape: [-1, 16] } },
  maxBatchSize: 8,
  predict: ({ INPUT0, INPUT1 }) => ({
    OUTPUT0: INPUT0.data.map((value, index) => value + (INPUT1.data[index] ?? 0)),
    OUTPUT1: INPUT0.data.map((value, index) => value - (INPUT1.data[index] ?? 0)),
  }),
})

const noModel: Omit<Model, 'predict'> = {
  metadata: { platform: 'test', inputs: [], outputs: [] },
  memoryBytes: 0,
  maxBatchSize: 0,
  concurrency: 16,
  close: async () => undefined,
}

/** Answers its inputs. */
export const identity: Model = {
  ...noModel,
  predict: async ({ inputs, parameters }) => [
    ...inputs,
    ...(parameters?.['echo'] === undefined ? [] : [text('echo', JSON.stringify(parameters))]),
  ],
}

export const failing: Model = {
  ...noModel,
  predict: async () => {
    throw new Error('something really bad happened')
  },
}

/** Waits until it is told to go on, or its signal fires. */
export function gated(): Model & { readonly started: Promise<AbortSignal>; release(): void } {
  let start: (signal: AbortSignal) => void = () => undefined
  let release: () => void = () => undefined
  const started = new Promise<AbortSignal>((resolve) => (start = resolve))
  const gate = new Promise<void>((resolve) => (release = resolve))
  return {
    ...noModel,
    predict: async ({ inputs }, signal) => {
      start(signal)
      await new Promise<void>((resolve, reject) => {
        void gate.then(resolve)
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      })
      return inputs
    },
    started,
    release: () => release(),
  }
}

/** Splits its text into words, one response each. */
export const words: Model = {
  ...noModel,
  metadata: { ...noModel.metadata, isDecoupled: true },
  predict: async () => [],
  async *stream(request): AsyncIterable<InferenceResponse> {
    const [input] = request.inputs
    const prompt = input?.datatype === 'BYTES' ? Buffer.from(input.data[0] ?? []).toString() : ''
    for (const word of prompt.split(' ')) {
      yield {
        ...(request.id === undefined ? {} : { id: request.id }),
        model: { name: request.model.name, version: '1' },
        outputs: [text('output', word)],
      }
    }
  },
}

export function text(name: string, value: string): Tensor {
  return tensor(name, 'BYTES', [1], [Buffer.from(value)])
}
