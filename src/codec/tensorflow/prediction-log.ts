/** `tensorflow.serving.PredictionLog`: a request that was logged, as files for warming up hold them. */
import { InferenceError } from '../../core/errors.ts'
import { choosing, findSignature, signatureList } from '../../core/named-signature.ts'
import type { Signatures } from '../../core/named-signature.ts'
import type { Parameters, Tensor } from '../../core/tensor.ts'
import { exampleTarget } from '../classification.ts'
import type { ExampleVerb } from '../classification.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { decodeInput, decodeSerializedInput } from './example.ts'
import { decodeExampleRequest, decodeMultiInferenceRequest } from './inference.ts'
import { methodNames } from './model-info.ts'
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

/** One run of a model. */
export interface LoggedRun {
  readonly inputs: readonly Tensor[]
  /** Names of the outputs wanted; empty: all of them. */
  readonly outputs: readonly string[]
  /** Which choose the signature, where it is not the model's first. */
  readonly parameters?: Parameters
}

/** What a log asks of a model: one run, or, of several signatures at once, one of each. */
export type LoggedRequest =
  | { readonly kind: 'runs'; readonly runs: readonly LoggedRun[] }
  /** A log of a kind that no model here answers, by the name of its field. */
  | { readonly kind: 'unsupported'; readonly name: string }

/**
 * Decodes the request of a log. The model that it names, if any, does not matter.
 *
 * @param model its signatures, which requests name and examples are made for
 * @throws InferenceError `invalid_argument`
 */
export function decodePredictionLog(bytes: Uint8Array, model: Signatures): LoggedRequest {
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
    case 'predict_log':
      return { kind: 'runs', runs: [predictRun(request, model)] }
    case 'classify_log':
    case 'regress_log': {
      const { spec, input } = decodeExampleRequest(request, name)
      const verb = name === 'classify_log' ? 'classify' : 'regress'
      return { kind: 'runs', runs: [exampleRun(input, model, { verb, name: spec.signatureName })] }
    }
    case 'multi_inference_log':
      return { kind: 'runs', runs: multiRuns(requestOf(log, name), model) }
    default:
      return { kind: 'unsupported', name }
  }
}

function predictRun(request: Uint8Array, model: Signatures): LoggedRun {
  const { spec, inputs, outputFilter } = decodePredictRequest(request)
  const signature = findSignature(model, spec.signatureName)
  if (signature === undefined) {
    const text = `Serving signature key "${spec.signatureName}" not found.${signatureList(model)}`
    throw new InferenceError('invalid_argument', text)
  }
  return { inputs, outputs: outputFilter, ...choosing(model, signature) }
}

interface ExampleTask {
  readonly verb: ExampleVerb
  /** Of the signature. */
  readonly name: string
}

function exampleRun(input: Uint8Array, model: Signatures, { verb, name }: ExampleTask): LoggedRun {
  const { signature, serialized } = exampleTarget(verb, model, name)
  const { tensors } =
    serialized === undefined ? decodeInput(input, signature.inputs) : decodeSerializedInput(input, serialized)
  return { inputs: tensors, outputs: [], ...choosing(model, signature) }
}

/** A run for each signature that the tasks name; a log without tasks asks the model's first. */
function multiRuns(request: Uint8Array, model: Signatures): readonly LoggedRun[] {
  const { tasks, input } = decodeMultiInferenceRequest(request)
  const byName = new Map<string, ExampleTask>()
  for (const { spec, methodName } of tasks) {
    const verb = methodName === methodNames.classify ? 'classify' : 'regress'
    byName.set(spec.signatureName, { verb, name: spec.signatureName })
  }
  if (byName.size === 0) byName.set('', { verb: 'regress', name: '' })
  return Array.from(byName.values(), (task) => exampleRun(input, model, task))
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
