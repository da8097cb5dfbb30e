/** Classify, Regress and MultiInference of TF Serving: examples in, classes and values out. */
import { exampleResult, exampleTarget } from '../codec/classification.ts'
import type { ExampleVerb } from '../codec/classification.ts'
import { decodeInput, decodeSerializedInput } from '../codec/tensorflow/example.ts'
import {
  decodeExampleRequest,
  decodeMultiInferenceRequest,
  encodeExampleResponse,
  encodeMultiInferenceResponse,
} from '../codec/tensorflow/inference.ts'
import type { ExampleCall, InferenceTask } from '../codec/tensorflow/inference.ts'
import { methodNames } from '../codec/tensorflow/model-info.ts'
import type { ModelSpec } from '../codec/tensorflow/model-spec.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest } from '../core/inference.ts'
import { choosing } from '../core/named-signature.ts'
import type { ServedMetadata } from '../repository/status.ts'
import type { GrpcContext } from './context.ts'
import type { Door } from './door.ts'
import { answeredSpec, refOf, servedModel } from './serving-model.ts'

/** A request that may run, and the number of its examples. */
interface Prepared {
  readonly served: ServedMetadata
  readonly request: InferenceRequest
  readonly rows: number
}

/** Answers a ClassificationRequest. */
export function classify(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  return answer(door, 'classify', decodeExampleRequest(bytes, 'ClassificationRequest'), context)
}

/** Answers a RegressionRequest. */
export function regress(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  return answer(door, 'regress', decodeExampleRequest(bytes, 'RegressionRequest'), context)
}

function answer(
  door: Door,
  verb: ExampleVerb,
  { spec, input }: ExampleCall,
  context: GrpcContext,
): Promise<Uint8Array> {
  const { request, rows, served } = prepare(door, { spec, verb }, input, context)
  return run()

  async function run(): Promise<Uint8Array> {
    const response = await door.dataPlane.infer(request, context)
    context.answerWith(response)
    return encodeExampleResponse(exampleResult(verb, response, rows), answeredSpec(spec, response.model, served))
  }
}

/** Answers a MultiInferenceRequest: one run of the model for each version and signature that its tasks name. */
export function multiInference(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  const { tasks, input } = decodeMultiInferenceRequest(bytes)
  checkTasks(tasks)
  const runs = new Map<string, Prepared>()
  for (const { spec, methodName } of tasks) {
    const prepared = prepare(door, { spec, verb: verbOf(methodName) }, input, context)
    const key = runKey(spec)
    if (!runs.has(key)) runs.set(key, prepared)
  }
  return answerTasks(door, tasks, runs, context)
}

async function answerTasks(
  door: Door,
  tasks: readonly InferenceTask[],
  runs: ReadonlyMap<string, Prepared>,
  context: GrpcContext,
): Promise<Uint8Array> {
  const answers = await Promise.all(
    Array.from(runs, async ([key, { request, rows, served }]) => {
      const response = await door.dataPlane.infer(request, context)
      context.answerWith(response)
      const own = tasks.filter(({ spec }) => runKey(spec) === key)
      return own.map((task) => ({
        task,
        spec: answeredSpec(task.spec, response.model, served),
        result: exampleResult(verbOf(task.methodName), response, rows),
      }))
    }),
  )
  const byTask = new Map(answers.flat().map((one) => [one.task, one]))
  return encodeMultiInferenceResponse(tasks.flatMap((task) => byTask.get(task) ?? []))
}

/** @throws InferenceError in the words of TF Serving's multi_inference.cc */
function checkTasks(tasks: readonly InferenceTask[]): void {
  const [first] = tasks
  if (first === undefined) throw invalid('MultiInferenceRequest has no tasks')
  const seen = new Set<string>()
  for (const { spec, methodName } of tasks) {
    if (spec.name === '') throw invalid('Found ModelSpec with an empty model name.')
    if (spec.name !== first.spec.name) {
      throw invalid('All ModelSpecs in a MultiInferenceRequest must access the same model name.')
    }
    // A model without named signatures has one for both methods, so that a pair may come once, not a name.
    const name = spec.signatureName === '' ? 'serving_default' : spec.signatureName
    const pair = `${methodName} ${name}`
    if (seen.has(pair)) throw invalid(`Duplicate evaluation of signature: ${name}`)
    seen.add(pair)
  }
}

/** The same for tasks that one run of the model answers. */
function runKey({ version = '', versionLabel, signatureName }: ModelSpec): string {
  return `${versionLabel === undefined ? version : `label ${versionLabel}`}/${signatureName}`
}

function verbOf(methodName: string): ExampleVerb {
  if (methodName === methodNames.classify) return 'classify'
  if (methodName === methodNames.regress) return 'regress'
  throw new InferenceError(
    'unimplemented',
    `Unsupported signature method_name: ${methodName}; expected ${methodNames.classify} or ${methodNames.regress}`,
  )
}

interface Asked {
  readonly spec: ModelSpec
  readonly verb: ExampleVerb
}

/** Reads examples as the inputs of the signature that they are for. */
function prepare(door: Door, { spec, verb }: Asked, input: Uint8Array, context: GrpcContext): Prepared {
  const model = refOf(door, spec, context)
  const served = servedModel(door, model)
  const { signature, serialized } = exampleTarget(verb, served, spec.signatureName)
  const { tensors, rows } =
    serialized === undefined ? decodeInput(input, signature.inputs) : decodeSerializedInput(input, serialized)
  const request = { id: context.requestId, model, inputs: tensors, ...choosing(served, signature) }
  return { request, rows, served }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
