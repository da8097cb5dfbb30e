/** `tensorflow.serving.PredictionLog`: a request that was logged, as files for warming up hold them. */
import type { TensorMetadata } from '../../core/model.ts'
import type { Tensor } from '../../core/tensor.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { decodeInput } from './example.ts'
import { decodeExampleRequest, decodeMultiInferenceRequest } from './inference.ts'
import { decodePredictRequest } from './predict.ts'

/** The kinds of logs by the numbers of their fields. */
const kinds: Readonly<Record<number, string>> = {
  2: 'classify_log',
  3: 'regress_log',
  4: 'multi_inference_log',
  5: 'session_run_log',
  6: 'predict_log',
  7: 'predict_streamed_log',
}

/** What a log asks of a model. */
export type LoggedRequest =
  | { readonly kind: 'request'; readonly inputs: readonly Tensor[]; readonly outputs: readonly string[] }
  /** A log of a kind that no model here answers, by the name of its field. */
  | { readonly kind: 'unsupported'; readonly name: string }

/**
 * Decodes the request of a log. The model that it names, if any, does not matter.
 *
 * @param expected inputs of the model, which examples are made into
 * @returns `outputs` empty: all of them
 * @throws InferenceError `invalid_argument`
 */
export function decodePredictionLog(bytes: Uint8Array, expected: readonly TensorMetadata[]): LoggedRequest {
  const reader = new ProtoReader(bytes, 'PredictionLog')
  let name = 'an empty log'
  let log: Uint8Array | undefined
  while (reader.next()) {
    const kind = kinds[reader.field]
    if (kind === undefined || reader.wireType !== wire.bytes) reader.skip()
    else {
      name = kind
      log = reader.bytes()
    }
  }
  if (log === undefined) return { kind: 'unsupported', name }
  const request = withModelSpec(requestOf(log, name))
  switch (name) {
    case 'predict_log': {
      const { inputs, outputFilter } = decodePredictRequest(request)
      return { kind: 'request', inputs, outputs: outputFilter }
    }
    case 'classify_log':
    case 'regress_log':
      return asRequest(decodeExampleRequest(request, name).input, expected)
    case 'multi_inference_log':
      return asRequest(decodeMultiInferenceRequest(requestOf(log, name)).input, expected)
    default:
      return { kind: 'unsupported', name }
  }
}

function asRequest(input: Uint8Array, expected: readonly TensorMetadata[]): LoggedRequest {
  return { kind: 'request', inputs: decodeInput(input, expected).tensors, outputs: [] }
}

/** Every kind of log has its request in field 1. */
function requestOf(log: Uint8Array, name: string): Uint8Array {
  const reader = new ProtoReader(log, name)
  let request: Uint8Array = new Uint8Array(0)
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) request = reader.bytes()
    else reader.skip()
  }
  return request
}

/** Logs may leave out what callers must say, the model: an empty ModelSpec in front, which one that follows replaces. */
function withModelSpec(request: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of((1 << 3) | wire.bytes, 0), request])
}
