/** The messages of `mmesh.ModelRuntime`, by their numbers in proto/mmesh/model-runtime.proto. Readers throw `invalid_argument` where one is malformed. */
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { encodeMessage, type Kind, type Schema } from './message-schema.ts'
import type { LoadedSize, MeshModel, RuntimeStatus } from './model-runtime.ts'

/** LoadModelRequest and PredictModelSizeRequest. */
export function decodeMeshModel(bytes: Uint8Array, message: string): MeshModel {
  const texts = textsOf(bytes, message)
  const [modelId = '', modelType = '', modelPath = '', modelKey = ''] = [1, 2, 3, 4].map((field) => texts.get(field))
  return { modelId, modelType, modelPath, modelKey }
}

/** UnloadModelRequest and ModelSizeRequest. */
export function decodeRuntimeModelId(bytes: Uint8Array, message: string): string {
  return textsOf(bytes, message).get(1) ?? ''
}

export function encodeLoadedSize(size: LoadedSize): Buffer {
  return encodeMessage(loadModelResponse, size)
}

/** PredictModelSizeResponse and ModelSizeResponse. */
export function encodeSize(sizeInBytes: number): Buffer {
  return encodeMessage(sizeResponse, { sizeInBytes })
}

export function encodeRuntimeStatus(status: RuntimeStatus): Buffer {
  return encodeMessage(runtimeStatusResponse, status)
}

/** The last of each field counts. */
function textsOf(bytes: Uint8Array, message: string): ReadonlyMap<number, string> {
  const texts = new Map<number, string>()
  const reader = new ProtoReader(bytes, message)
  while (reader.next()) {
    if (reader.wireType === wire.bytes) texts.set(reader.field, new TextDecoder().decode(reader.bytes()))
    else reader.skip()
  }
  return texts
}

const runtimeState: Kind = new Map(['STARTING', 'READY', 'FAILING'].map((name, number) => [name, number]))

const loadModelResponse: Schema = {
  sizeInBytes: { number: 1, kind: 'integer' },
  maxConcurrency: { number: 2, kind: 'integer' },
}
const sizeResponse: Schema = { sizeInBytes: { number: 1, kind: 'integer' } }
const methodInfo: Schema = { idInjectionPath: { number: 1, kind: 'integer' } }
const runtimeStatusResponse: Schema = {
  status: { number: 1, kind: runtimeState },
  capacityInBytes: { number: 2, kind: 'integer' },
  maxLoadingConcurrency: { number: 3, kind: 'integer' },
  modelLoadingTimeoutMs: { number: 4, kind: 'integer' },
  defaultModelSizeInBytes: { number: 5, kind: 'integer' },
  runtimeVersion: { number: 6, kind: 'string' },
  methodInfos: { number: 8, kind: { fields: methodInfo }, isMap: true },
  limitModelConcurrency: { number: 9, kind: 'bool' },
}
