/** From what a model's directory says about warming up to the runs of it. */
import { resolve } from 'node:path'
import { decodePredictionLog } from '../codec/tensorflow/prediction-log.ts'
import { decodeV2Request } from '../codec/v2-json.ts'
import type { InferenceRequest, RequestContext } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { Hooks, Model, ModelSpec, TensorMetadata } from '../core/model.ts'
import { constantTensor, randomTensor } from '../core/sample-inputs.ts'
import { chosenSignature } from '../core/named-signature.ts'
import { checkRequest } from '../core/signature.ts'
import type { Tensor } from '../core/tensor.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { WarmUpRequest } from '../scheduling/preparation.ts'
import { hookedSignatures, outerSignature } from './served-metadata.ts'
import { inFile, readJsonRequests, readRawTensor, readServingRecords } from './warm-up-file.ts'
import type { WarmUpInput, WarmUpYaml } from './warmup-yaml.ts'

/** What model.yaml says, and the directory that its paths start from. */
export interface DeclaredWarmUp {
  readonly directory: string
  readonly requests: readonly WarmUpYaml[]
}

/** The model that is to be warmed up. */
export interface WarmUpTarget {
  readonly spec: ModelSpec
  readonly root: string
  readonly model: Model
  readonly hooks: readonly Hooks[]
}

/** A request as callers send it, or for the model within its hooks. */
interface Found {
  readonly request: InferenceRequest
  readonly isInner: boolean
  readonly count: number
  readonly source: string
}

/**
 * Reads what was given for warming up: `warmup` of model.yaml, then TensorFlow Serving's file. Requests go through the
 * model's hooks as those of callers do; those with made-up tensors are for the model itself.
 *
 * @throws InferenceError `failed_precondition` naming the file, the number of the request and what is wrong
 */
export async function warmUpRequests(
  declared: DeclaredWarmUp | undefined,
  target: WarmUpTarget,
  log: Log,
  signal: AbortSignal,
): Promise<readonly WarmUpRequest[]> {
  const found = [...(await declaredRequests(declared, target)), ...(await servingRequests(target, log))]
  const requests: WarmUpRequest[] = []
  for (const one of found) requests.push(await asBatch(one, target, signal))
  return requests
}

async function declaredRequests(declared: DeclaredWarmUp | undefined, target: WarmUpTarget): Promise<readonly Found[]> {
  const found: Found[] = []
  for (const [index, { file, inputs = [], outputs, count = 1 }] of (declared?.requests ?? []).entries()) {
    const { ref } = target.spec
    if (file === undefined) {
      const source = `model.yaml, warmup ${index + 1}`
      const directory = declared?.directory ?? ''
      const request = await inlineRequest(inputs, outputs, { directory, source, target })
      found.push({ request, isInner: inputs.some(isForModel), count, source })
      continue
    }
    const path = resolve(declared?.directory ?? '', file)
    for (const [number, json] of (await readJsonRequests(path, target.root)).entries()) {
      const source = `${path}, request ${number + 1}`
      const { request } = inFile(source, () => decodeV2Request(json, undefined, ref))
      found.push({ request, isInner: false, count, source })
    }
  }
  return found
}

/** True for tensors that no caller has sent: made up, or as they lie in the model's memory. */
function isForModel({ random, zero, raw_file: file }: WarmUpInput): boolean {
  return random === true || zero === true || file !== undefined
}

/** Where a request was written down. */
interface Place {
  readonly directory: string
  readonly source: string
  readonly target: WarmUpTarget
}

async function inlineRequest(
  inputs: readonly WarmUpInput[],
  outputs: readonly string[] | undefined,
  place: Place,
): Promise<InferenceRequest> {
  const tensors: Tensor[] = []
  for (const [index, input] of inputs.entries()) tensors.push(...(await tensorsOf(input, index + 1, place)))
  return { model: place.target.spec.ref, inputs: tensors, ...(outputs === undefined ? {} : { outputs }) }
}

async function tensorsOf(
  input: WarmUpInput,
  seed: number,
  { directory, source, target: { spec, root, model } }: Place,
): Promise<readonly Tensor[]> {
  const { name, datatype, shape, data, raw_file: file } = input
  if (file !== undefined && datatype !== undefined && shape !== undefined) {
    return [await readRawTensor(resolve(directory, file), root, { name, datatype, shape })]
  }
  return inFile(source, () => {
    if (isForModel(input)) return [madeUp(input, seed, model.metadata.inputs)]
    const json = new TextEncoder().encode(JSON.stringify({ inputs: [{ name, datatype, shape, data }] }))
    return decodeV2Request(json, undefined, spec.ref).request.inputs
  })
}

function madeUp(input: WarmUpInput, seed: number, expected: readonly TensorMetadata[]): Tensor {
  const metadata = expected.find(({ name }) => name === input.name)
  const datatype = input.datatype ?? metadata?.datatype
  const shape = input.shape ?? metadata?.shape.map((size) => Math.abs(size))
  if (datatype === undefined || shape === undefined) {
    const names = expected.map(({ name }) => `'${name}'`).join(', ')
    throw new InferenceError('invalid_argument', `the model has no input '${input.name}'; it has ${names || 'none'}`)
  }
  return input.zero === true
    ? constantTensor(input.name, datatype, shape, 0)
    : randomTensor(input.name, datatype, shape, seed)
}

async function servingRequests({ spec, root, model, hooks }: WarmUpTarget, log: Log): Promise<readonly Found[]> {
  const file = await readServingRecords(spec, root)
  const outer = {
    ...model.metadata,
    ...outerSignature(model.metadata, hooks),
    ...hookedSignatures(model.metadata, hooks),
  }
  const found: Found[] = []
  for (const [index, record] of (file?.records ?? []).entries()) {
    const source = `${file?.path ?? ''}, record ${index + 1}`
    const logged = inFile(source, () => decodePredictionLog(record, outer))
    if (logged.kind === 'unsupported') {
      log.warn({ model: spec.ref.name, record: index + 1, kind: logged.name }, 'warm-up record left out')
      continue
    }
    for (const { inputs, outputs, parameters } of logged.runs) {
      const wanted = outputs.length === 0 ? {} : { outputs }
      const request = { model: spec.ref, inputs, ...wanted, ...(parameters === undefined ? {} : { parameters }) }
      found.push({ request, isInner: false, count: 1, source })
    }
  }
  return found
}

/** The request as the model gets it: after hooks and check. */
async function asBatch(found: Found, { model, hooks }: WarmUpTarget, signal: AbortSignal): Promise<WarmUpRequest> {
  const { isInner, count, source } = found
  const context: RequestContext = { requestId: 'warm-up', protocol: 'library', signal, headers: {} }
  try {
    let { request } = found
    if (!isInner) {
      for (const hook of hooks) if (hook.preprocess !== undefined) request = await hook.preprocess(request, context)
      if (model.preprocess !== undefined) request = await model.preprocess(request, context)
    }
    const { metadata } = model
    const chosen = chosenSignature(metadata, request.parameters, request.model.name)
    const outputs = chosen === metadata ? outerSignature(metadata, hooks).outputs : chosen.outputs
    const checked = checkRequest(request, { inputs: chosen.inputs, outputs }, model.maxBatchSize)
    const isModelOutput = outputs === chosen.outputs
    return {
      batch: {
        inputs: checked.inputs,
        ...(checked.outputs === undefined || !isModelOutput ? {} : { outputs: checked.outputs }),
        ...(checked.parameters === undefined ? {} : { parameters: checked.parameters }),
      },
      count,
      source,
    }
  } catch (reason) {
    if (signal.aborted) throw InferenceError.from(signal.reason)
    throw new InferenceError('failed_precondition', `warmup: ${source}: ${messageOf(reason)}`, { cause: reason })
  }
}
