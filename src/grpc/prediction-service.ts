/** `tensorflow.serving.PredictionService`: TF Serving's protocol, for every model whatever its runtime. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { columnShape, flatColumn } from '../codec/column.ts'
import { decodeModelMetadataRequest, encodeModelMetadataResponse } from '../codec/tensorflow/model-info.ts'
import { peekModelSpec } from '../codec/tensorflow/model-spec.ts'
import { decodePredictRequest, encodePredictResponse } from '../codec/tensorflow/predict.ts'
import type { PredictCall } from '../codec/tensorflow/predict.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, ModelRef } from '../core/inference.ts'
import { choosing, findSignature, signatureList } from '../core/named-signature.ts'
import type { Signature } from '../core/signature.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ServedMetadata } from '../repository/status.ts'
import type { GrpcContext } from './context.ts'
import type { Door } from './door.ts'
import { classify, multiInference, regress } from './example-inference.ts'
import { defineService, unary, type UnaryHandler } from './service.ts'
import { answeredSpec, hostedRef, refOf, servedModel } from './serving-model.ts'

export const predictionServiceName = 'tensorflow.serving.PredictionService'

export const predictionService = defineService(predictionServiceName, {
  Predict: {},
  Classify: {},
  Regress: {},
  MultiInference: {},
  GetModelMetadata: {},
})

/** The handlers of the service. */
export function implementPrediction(door: Door): UntypedServiceImplementation {
  const handlers: Readonly<Record<string, UnaryHandler>> = {
    Predict: counted(door, predict),
    Classify: counted(door, classify),
    Regress: counted(door, regress),
    MultiInference: counted(door, multiInference),
    GetModelMetadata: (request, context) => describe(door, request, context),
  }
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [method, unary(door, handler, 'grpc-v1')]),
  )
}

/** Reads a request that may run now, and runs it. What it throws at once was refused before the data plane saw it. */
type Call = (door: Door, bytes: Buffer, context: GrpcContext) => Promise<Uint8Array>

function counted(door: Door, call: Call): UnaryHandler {
  const answer: UnaryHandler = (bytes, context) => {
    try {
      door.refuseWhileDraining()
      return call(door, bytes, context)
    } catch (reason) {
      const { name, version } = peekModelSpec(bytes)
      const ref = hostedRef(door, context, version === undefined ? { name } : { name, version })
      const waking = door.dataPlane.wake(ref) // never loaded: its signature is needed
      if (waking !== undefined) return waking.then(() => answer(bytes, context))
      door.metrics?.countRefusal(ref, 'grpc-v1', 'infer', InferenceError.from(reason).code)
      throw reason
    }
  }
  return answer
}

function predict(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  const call = decodePredictRequest(bytes)
  const ref = refOf(door, call.spec, context)
  const served = servedModel(door, ref)
  const request = requestOf(call, ref, served, context)
  return run()

  async function run(): Promise<Uint8Array> {
    const response = await door.dataPlane.infer(request, context)
    context.answerWith(response)
    const { model, outputs: given } = response
    const isFlat =
      call.inputs.length > 0 && call.inputs.every(({ shape }, index) => request.inputs[index]?.shape !== shape)
    const outputs = isFlat ? given.map(flatColumn) : given
    return encodePredictResponse({ spec: answeredSpec(call.spec, model, served), outputs })
  }
}

/** @throws InferenceError where names do not fit the signature, in TF Serving's words */
function requestOf(
  call: PredictCall,
  ref: ModelRef,
  served: ServedMetadata,
  { requestId }: GrpcContext,
): InferenceRequest {
  const signature = findSignature(served, call.spec.signatureName)
  if (signature === undefined) {
    const text = `Serving signature key "${call.spec.signatureName}" not found.${signatureList(served)}`
    throw new InferenceError('failed_precondition', text)
  }
  checkOutputs(call.outputFilter, signature)
  return {
    id: requestId,
    model: ref,
    inputs: fitInputs(call.inputs, signature),
    ...choosing(served, signature),
    ...(call.outputFilter.length === 0 ? {} : { outputs: call.outputFilter }),
  }
}

function fitInputs(inputs: readonly Tensor[], { inputs: expected }: Signature): readonly Tensor[] {
  if (expected.length === 0) return inputs // such a model looks for itself
  const given = new Set(inputs.map(({ name }) => name))
  const known = new Set(expected.map(({ name }) => name))
  const extra = [...given].filter((name) => !known.has(name))
  const missing = expected.filter(({ name, isOptional }) => isOptional !== true && !given.has(name))
  if (extra.length > 0 || missing.length > 0) {
    throw invalid(
      `input size does not match signature: ${given.size}!=${known.size} len({${list(given)}}) != ` +
        `len({${list(known)}}). Sent extra: {${list(extra)}}. ` +
        `Missing but required: {${list(missing.map(({ name }) => name))}}.`,
    )
  }
  return inputs.map((input) => {
    const metadata = expected.find(({ name }) => name === input.name)
    const shape = metadata === undefined ? input.shape : columnShape(input.shape, metadata)
    return shape === input.shape ? input : { ...input, shape }
  })
}

function checkOutputs(filter: readonly string[], { outputs }: Signature): void {
  const seen = new Set<string>()
  for (const name of filter) {
    if (seen.has(name)) throw invalid(`duplicate output tensor alias: ${name}`)
    seen.add(name)
    if (outputs.length > 0 && !outputs.some((output) => output.name === name)) {
      const known = list(outputs.map((output) => output.name))
      throw invalid(`output tensor alias not found in signature: ${name} Outputs expected to be in the set {${known}}.`)
    }
  }
}

async function describe(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  const { spec, fields } = decodeModelMetadataRequest(bytes)
  if (fields.length === 0) throw invalid('GetModelMetadataRequest must specify at least one metadata_field')
  for (const field of fields) {
    if (field !== 'signature_def') throw invalid(`Metadata field ${field} is not supported`)
  }
  const ref = refOf(door, spec, context)
  await door.dataPlane.wake(ref)
  const served = servedModel(door, ref)
  return encodeModelMetadataResponse(
    { name: spec.name === '' ? served.ref.name : spec.name, version: served.ref.version, signatureName: '' },
    served,
  )
}

function list(names: Iterable<string>): string {
  return [...names].join(',')
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
