/** `defineModel`: a model written in TypeScript, its tensors typed by its own signature. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, RequestContext } from '../core/inference.ts'
import type { Batch, Model, TensorMetadata } from '../core/model.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import { elementCount, tensor, type DataType, type Parameters, type Tensor, type TensorData } from '../core/tensor.ts'

/** One input or output of a definition; `shape` has -1 where a dimension is free. */
export interface TensorDefinition<D extends DataType = DataType> {
  readonly datatype: D
  readonly shape: readonly number[]
  /** May be left out by callers. Inputs only. */
  readonly isOptional?: boolean
}

export type TensorDefinitions = Readonly<Record<string, TensorDefinition>>

type InputsOf<I extends TensorDefinitions> = {
  readonly [K in keyof I]: I[K] extends { readonly isOptional: true }
    ? Tensor<I[K]['datatype']> | undefined
    : Tensor<I[K]['datatype']>
}

/** An output: its elements alone where the definition leaves at most one dimension free, else with their shape. */
type OutputOf<D extends DataType> = TensorData[D] | { readonly shape: readonly number[]; readonly data: TensorData[D] }
type OutputsOf<O extends TensorDefinitions> = { readonly [K in keyof O]: OutputOf<O[K]['datatype']> }

export interface PredictOptions {
  /** Fires when every caller is gone. */
  readonly signal: AbortSignal
  readonly parameters: Parameters
}

export interface ModelDefinition<
  I extends TensorDefinitions = TensorDefinitions,
  O extends TensorDefinitions = TensorDefinitions,
> {
  readonly version?: string
  readonly platform?: string
  readonly inputs: I
  readonly outputs: O
  /** Most rows of the first dimension that one request may hold; unlimited where absent. */
  readonly maxBatchSize?: number
  /** Calls of `predict` that may run at once. Default 1. */
  readonly concurrency?: number
  /** Requests that may wait for `predict`; the next one is refused. Default 1000. */
  readonly maxQueueSize?: number
  /** The first dimension counts rows that do not see each other: `predict` is given those of several requests at once. */
  readonly batching?: boolean
  /** How requests wait and share runs, beside the above. */
  readonly scheduling?: Omit<SchedulingOptions, 'batching' | 'maxQueueSize'>
  /** Answers are kept and given again to equal requests, as far as the server's `responseCacheBytes` reach. */
  readonly responseCache?: boolean
  /** Runs once before the first request: reads files, opens connections. */
  load?(signal: AbortSignal): Promise<void> | void
  predict(inputs: InputsOf<I>, options: PredictOptions): Promise<OutputsOf<O>> | OutputsOf<O>
  readonly preprocess?: (
    request: InferenceRequest,
    context: RequestContext,
  ) => Promise<InferenceRequest> | InferenceRequest
  readonly postprocess?: (
    response: InferenceResponse,
    context: RequestContext,
  ) => Promise<InferenceResponse> | InferenceResponse
  readonly explain?: (
    request: InferenceRequest,
    context: RequestContext,
  ) => Promise<InferenceResponse> | InferenceResponse
  close?(): Promise<void> | void
}

/** A definition that the server can open. */
export interface DefinedModel {
  readonly version: string
  readonly maxQueueSize: number
  readonly scheduling: SchedulingOptions
  readonly isCached: boolean
  /** @throws what `load` of the definition throws */
  open(signal: AbortSignal): Promise<Model>
}

/**
 * A model whose `predict` is a function of this program. It runs in the server's own thread: work that takes more than a
 * few milliseconds belongs in a worker thread or another process.
 *
 * @example
 * defineModel({
 *   inputs: { x: { datatype: 'FP32', shape: [-1] } },
 *   outputs: { y: { datatype: 'FP32', shape: [-1] } },
 *   predict: ({ x }) => ({ y: x.data.map((value) => value / 2 + 2) }),
 * })
 */
export function defineModel<const I extends TensorDefinitions, const O extends TensorDefinitions>(
  definition: ModelDefinition<I, O>,
): DefinedModel {
  return {
    version: definition.version ?? '1',
    maxQueueSize: definition.maxQueueSize ?? 1000,
    scheduling: { ...definition.scheduling, batching: definition.batching === true ? 'on' : 'off' },
    isCached: definition.responseCache === true,
    open: async (signal) => {
      await definition.load?.(signal)
      return modelOf(definition)
    },
  }
}

function modelOf<I extends TensorDefinitions, O extends TensorDefinitions>(definition: ModelDefinition<I, O>): Model {
  const { preprocess, postprocess, explain } = definition
  return {
    metadata: {
      platform: definition.platform ?? 'servable_custom',
      inputs: metadataOf(definition.inputs),
      outputs: metadataOf(definition.outputs),
    },
    memoryBytes: 0,
    maxBatchSize: definition.maxBatchSize ?? 0,
    concurrency: definition.concurrency ?? 1,
    predict: (batch, signal) => predictWith(definition, batch, signal),
    ...(preprocess && { preprocess: async (request, context) => preprocess(request, context) }),
    ...(postprocess && { postprocess: async (response, context) => postprocess(response, context) }),
    ...(explain && { explain: async (request, context) => explain(request, context) }),
    close: async () => definition.close?.(),
  }
}

function metadataOf(definitions: TensorDefinitions): TensorMetadata[] {
  return Object.entries(definitions).map(([name, definition]) => ({ name, ...definition }))
}

async function predictWith<I extends TensorDefinitions, O extends TensorDefinitions>(
  definition: ModelDefinition<I, O>,
  batch: Batch,
  signal: AbortSignal,
): Promise<readonly Tensor[]> {
  // The data plane has checked names and datatypes against the very definition that InputsOf is made from.
  const inputs = Object.fromEntries(batch.inputs.map((input) => [input.name, input])) as InputsOf<I>
  const answer = await definition.predict(inputs, { signal, parameters: batch.parameters ?? {} })
  const outputs: Tensor[] = []
  for (const [name, declared] of Object.entries(definition.outputs)) {
    if (batch.outputs !== undefined && !batch.outputs.includes(name)) continue
    outputs.push(outputTensor(name, declared, answer[name]))
  }
  return outputs
}

function outputTensor(name: string, declared: TensorDefinition, output: OutputOf<DataType> | undefined): Tensor {
  if (output === undefined) throw new InferenceError('internal', `predict gave no output '${name}'`)
  const isShaped = 'shape' in output && 'data' in output
  const data = isShaped ? output.data : output
  const shape = isShaped ? output.shape : completeShape(name, declared.shape, data.length)
  if (elementCount(shape) !== data.length) {
    throw new InferenceError(
      'internal',
      `predict gave output '${name}' ${data.length} elements, its shape [${shape.join(',')}] needs ${elementCount(shape)}`,
    )
  }
  return tensor(name, declared.datatype, shape, data)
}

/** The one free dimension follows from the number of elements. */
function completeShape(name: string, declared: readonly number[], length: number): readonly number[] {
  const free = declared.filter((dimension) => dimension === -1).length
  if (free === 0) return declared
  const rest = declared.reduce((product, dimension) => (dimension === -1 ? product : product * dimension), 1)
  if (free > 1 || rest === 0) {
    throw new InferenceError(
      'internal',
      `predict must give output '${name}' as { shape, data }: its shape has ${free} free dimensions`,
    )
  }
  return declared.map((dimension) => (dimension === -1 ? length / rest : dimension))
}
