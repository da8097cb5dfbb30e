/** Classify, Regress and MultiInference of TF Serving: examples in, classes and values out. */
import { checkExampleSignature, exampleResult } from '../codec/classification.ts'
import type { ExampleVerb } from '../codec/classification.ts'
import { decodeInput } from '../codec/tensorflow/example.ts'
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
import type { GrpcContext } from './context.ts'
import type { Door } from './door.ts'
import { answeredSpec, refOf, servedModel, signatureOf } from './serving-model.ts'

/** A request that may run, and the number of its examples. */
interface Prepared {
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
  const { request, rows } = prepare(door, spec, input, context)
  checkExampleSignature(verb, spec.signatureName)
  return run()

  async function run(): Promise<Uint8Array> {
    const response = await door.dataPlane.infer(request, context)
    context.answerWith(response)
    return encodeExampleResponse(exampleResult(verb, response, rows), answeredSpec(spec, response.model))
  }
}

/** Answers a MultiInferenceRequest: one run of the model for each version that its tasks name. */
export function multiInference(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  const { tasks, input } = decodeMultiInferenceRequest(bytes)
  checkTasks(tasks)
  const runs = new Map<string | undefined, Prepared>()
  for (const { spec, methodName } of tasks) {
    checkExampleSignature(verbOf(methodName), spec.signatureName)
    const version = versionKey(spec)
    if (!runs.has(version)) runs.set(version, prepare(door, spec, input, context))
  }
  return answerTasks(door, tasks, runs, context)
}

async function answerTasks(
  door: Door,
  tasks: readonly InferenceTask[],
  runs: ReadonlyMap<string | undefined, Prepared>,
  context: GrpcContext,
): Promise<Uint8Array> {
  const answers = await Promise.all(
    Array.from(runs, async ([version, { request, rows }]) => {
      const response = await door.dataPlane.infer(request, context)
      context.answerWith(response)
      const own = tasks.filter(({ spec }) => versionKey(spec) === version)
      return own.map((task) => ({
        task,
        spec: answeredSpec(task.spec, response.model),
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
    // Here one signature serves both methods, so that a pair may come once, not a name.
    const pair = `${methodName} ${signatureOf(spec)}`
    if (seen.has(pair)) throw invalid(`Duplicate evaluation of signature: ${signatureOf(spec)}`)
    seen.add(pair)
  }
}

/** The same for tasks that one run of the model answers. */
function versionKey({ version, versionLabel }: ModelSpec): string | undefined {
  return versionLabel === undefined ? version : `label ${versionLabel}`
}

function verbOf(methodName: string): ExampleVerb {
  if (methodName === methodNames.classify) return 'classify'
  if (methodName === methodNames.regress) return 'regress'
  throw new InferenceError(
    'unimplemented',
    `Unsupported signature method_name: ${methodName}; expected ${methodNames.classify} or ${methodNames.regress}`,
  )
}

/** Reads examples as the inputs of the model that they are for. */
function prepare(door: Door, spec: ModelSpec, input: Uint8Array, context: GrpcContext): Prepared {
  const model = refOf(door, spec, context)
  const { inputs: expected } = servedModel(door, model)
  const { tensors, rows } = decodeInput(input, expected)
  return { request: { id: context.requestId, model, inputs: tensors }, rows }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
