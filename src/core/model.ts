/** The contract between the server and a runtime plugin. Change it only with `api`. */
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from './inference.ts'
import type { Log } from './log.ts'
import type { SchedulingOptions } from './scheduling.ts'
import type { DataType, Parameters, Tensor } from './tensor.ts'

export type Device = 'cpu' | `cuda:${number}`

/** What a user asks for; `auto` takes a GPU where one can be used and says why where not. */
export type DeviceRequest = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`

/**
 * Where a session lives. `inline`: in the main thread, for models cheaper than the hop to another. `pool`: in a thread
 * shared with other models. `thread`: in threads of its own. `process`: in child processes, so that a native crash takes no
 * more along and memory really comes back on unload. `auto`: measured at load, never a process.
 */
export type PlacementRequest = 'auto' | 'inline' | 'pool' | 'thread' | 'process'

/** A model on local disk, not yet loaded. */
export interface ModelSpec {
  readonly ref: Required<ModelRef>
  /** Model format, as in a ServingRuntime's `supportedModelFormats`: 'onnx', 'tensorflow', … */
  readonly format: string
  /** The directory of this version. */
  readonly directory: string
  /** The model file, absolute, where the format is one file. */
  readonly file?: string
  readonly device: DeviceRequest
  readonly placement: PlacementRequest
  /** Sessions of this model that may run at once; chosen by the runtime where absent. */
  readonly instances?: number
  /** In a process: a run that takes longer is taken for hung and its process is killed. Default 300,000. */
  readonly runTimeoutMs?: number
  /** Most rows that one request may hold; unlimited where absent. */
  readonly maxBatchSize?: number
  /** Requests that may wait; the next one is refused. */
  readonly maxQueueSize: number
  /** How requests wait and share runs, beside the two limits above. */
  readonly scheduling?: SchedulingOptions
  /** Answers are kept and given again to equal requests. */
  readonly isCached?: boolean
  /** Options of the runtime itself, by their names in `model.yaml` under `options`. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface TensorMetadata {
  readonly name: string
  readonly datatype: DataType
  /** -1 where a dimension is free; the first is the batch where the model batches. `[]` is a scalar. */
  readonly shape: readonly number[]
  /** Per dimension its symbolic name in the model file, '' where it has none. */
  readonly dimensionNames?: readonly string[]
  /** Any rank is taken: the model file gives no shape. `shape` is then `[-1]`. */
  readonly isAnyRank?: boolean
  /** Other shapes are taken too: the model itself refuses what it cannot compute, as TensorFlow's do. */
  readonly isShapeHint?: boolean
  /** Has a default in the model and may be left out. */
  readonly isOptional?: boolean
  /** What it is called inside the model, where a protocol tells that: TensorFlow's `x:0`. */
  readonly graphName?: string
}

/** One of several signatures of a model, as TensorFlow's SavedModels have them. */
export interface NamedSignature {
  readonly name: string
  /** `tensorflow/serving/predict`, `…/classify` or `…/regress`; '' where the model says none. */
  readonly methodName: string
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
}

export interface ModelMetadata {
  /** As in Triton and KServe: `onnxruntime_onnx`, `tensorflow_savedmodel`, … */
  readonly platform: string
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  /**
   * Every signature, where they have names, the one of `inputs` and `outputs` first. A request chooses another one by the
   * parameter `signature_name`, which is in the parameters of its batch; a batch without it is for the first.
   */
  readonly signatures?: readonly NamedSignature[]
  /** Answers through `stream` only, by any number of responses: a request for one response is refused. */
  readonly isDecoupled?: boolean
  /** Protocols of the exchanges that `forward` answers: 'openai'. */
  readonly protocols?: readonly string[]
  /** Facts worth showing: `device`, `device_reason`, `placement`, `opset`, … */
  readonly parameters?: Parameters
}

/** What one `predict` computes: requests that agree in everything below, joined along the first dimension. */
export interface Batch {
  readonly inputs: readonly Tensor[]
  /** Names of the outputs wanted; all of them where absent. */
  readonly outputs?: readonly string[]
  /** Request parameters that the model may read; equal for all requests in the batch. Caller headers never come here. */
  readonly parameters?: Parameters
}

/** Work around one request, outside batching: the hooks of a model, or a model's own. */
export interface Hooks {
  /** The inputs that callers see, where `preprocess` changes them. */
  readonly inputs?: readonly TensorMetadata[]
  /** The outputs that callers see, where `postprocess` changes them. */
  readonly outputs?: readonly TensorMetadata[]
  /** Names of the classes, by the output whose last dimension they number. */
  readonly labels?: ReadonlyMap<string, readonly string[]>
  /** Before batching, once per request: raw input to model input. */
  preprocess?(request: InferenceRequest, context: RequestContext): Promise<InferenceRequest>
  /** After batching, once per request: model output to answer. */
  postprocess?(response: InferenceResponse, context: RequestContext): Promise<InferenceResponse>
  /** Answers an explain request as the caller sent it, by any number of predictions of the whole model, its hooks included. */
  explain?(
    request: InferenceRequest,
    context: RequestContext,
    predict: (request: InferenceRequest) => Promise<InferenceResponse>,
  ): Promise<InferenceResponse>
}

/** A loaded model. */
export interface Model extends Omit<Hooks, 'inputs' | 'outputs' | 'labels' | 'explain'> {
  readonly metadata: ModelMetadata
  /** Memory that the loaded weights hold, in bytes. */
  readonly memoryBytes: number
  /** Tells apart what was loaded, by its content: what was learned of one model holds for another one of the same print. */
  readonly print?: string
  /** Most rows one `predict` takes; 0 where the first dimension is no batch. */
  readonly maxBatchSize: number
  /** How many `predict` calls may run at once. */
  readonly concurrency: number
  /** How many of them really run at once; the others are on their way there. Default: all. */
  readonly executors?: number
  /** Bytes of input up to which `predict` computes where it is called; more is sent elsewhere. Requests are not joined beyond it. */
  readonly inlineBytes?: number | undefined
  /** Computes outputs from inputs. The signal fires when every caller of the batch is gone. */
  predict(batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]>
  /** Gets V2 gRPC requests with their message, {@link InferenceRequest.raw}, and undecoded elements: to pass them on. */
  readonly takesRaw?: boolean
  /** Instead of `predict`, for a model that answers whole requests: a proxy, a transformer. Never batched. */
  infer?(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse>
  explain?(request: InferenceRequest, context: RequestContext): Promise<InferenceResponse>
  /** Several responses to one request: tokens, decoupled models. Ends early when the signal of the context fires. */
  stream?(request: InferenceRequest, context: RequestContext): AsyncIterable<InferenceResponse>
  /** An HTTP exchange passed through as it is: OpenAI routes and other proxied protocols. */
  forward?(call: Request, context: RequestContext): Promise<Response>
  /** Tells once that the loaded model is broken for good, so that its version counts as failed until it is loaded again. */
  onFailure?(listener: (reason: Error) => void): void
  /** False while it cannot answer: a proxy without an upstream. It is then told to be not ready. */
  readonly isReady?: boolean
  /** Frees the weights. Called once, when no `predict` is in flight. */
  close(): Promise<void>
}

/** A plugin: knows one framework, loads its models. */
export interface Runtime {
  readonly api: 1
  readonly name: string
  readonly formats: readonly string[]
  /** Conservative size before loading, in bytes. The files' size × 1.25 where absent. */
  estimateBytes?(spec: ModelSpec): Promise<number>
  /** @throws InferenceError whose message says what is wrong with the files, the device or the installation */
  load(spec: ModelSpec, log: Log, signal: AbortSignal): Promise<Model>
}
