/** The messages of `mmesh.ModelMesh`, by their numbers in proto/mmesh/model-mesh.proto. Readers throw `invalid_argument` where one is malformed. */
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { encodeMessage, type Kind, type Schema } from './message-schema.ts'
import type {
  EnsureLoaded,
  MeshModelInfo,
  MeshModelStatus,
  RegisterModel,
  SetVModel,
  VModelName,
  VModelStatus,
} from './model-mesh.ts'

/** UnregisterModelRequest and GetStatusRequest. */
export function decodeModelId(bytes: Uint8Array, message: string): string {
  return new Fields(bytes, message).text(1)
}

export function decodeRegisterModel(bytes: Uint8Array): RegisterModel {
  const fields = new Fields(bytes, 'RegisterModelRequest')
  return {
    modelId: fields.text(1),
    modelInfo: decodeModelInfo(fields.bytes(2)) ?? { type: '', path: '', key: '' },
    loadNow: fields.flag(3),
    sync: fields.flag(4),
    lastUsedTime: fields.number(5),
  }
}

export function decodeEnsureLoaded(bytes: Uint8Array): EnsureLoaded {
  const fields = new Fields(bytes, 'EnsureLoadedRequest')
  return { modelId: fields.text(1), lastUsedTime: fields.number(2), sync: fields.flag(4) }
}

export function decodeSetVModel(bytes: Uint8Array): SetVModel {
  const fields = new Fields(bytes, 'SetVModelRequest')
  const modelInfo = decodeModelInfo(fields.bytes(4))
  const [expectedTargetModelId, owner] = [fields.text(9), fields.text(10)]
  // An empty message is the same as none to ModelMesh.
  const hasInfo = modelInfo !== undefined && Object.values(modelInfo).some((text) => text !== '')
  return {
    vModelId: fields.text(1),
    targetModelId: fields.text(2),
    updateOnly: fields.flag(3),
    ...(hasInfo ? { modelInfo } : {}),
    autoDeleteTargetModel: fields.flag(5),
    loadNow: fields.flag(6),
    force: fields.flag(7),
    sync: fields.flag(8),
    ...(expectedTargetModelId === '' ? {} : { expectedTargetModelId }),
    ...(owner === '' ? {} : { owner }),
  }
}

/** DeleteVModelRequest and GetVModelStatusRequest. */
export function decodeVModelName(bytes: Uint8Array, message: string): VModelName {
  const fields = new Fields(bytes, message)
  const owner = fields.text(2)
  return { vModelId: fields.text(1), ...(owner === '' ? {} : { owner }) }
}

export function encodeModelStatus(status: MeshModelStatus): Buffer {
  return encodeMessage(modelStatusInfo, status)
}

export function encodeVModelStatus(status: VModelStatus): Buffer {
  return encodeMessage(vModelStatusInfo, status)
}

function decodeModelInfo(bytes: Uint8Array | undefined): MeshModelInfo | undefined {
  if (bytes === undefined) return undefined
  const fields = new Fields(bytes, 'ModelInfo')
  return { type: fields.text(1), path: fields.text(2), key: fields.text(3) }
}

/** The fields of a message without repeated ones: the last of each counts. */
class Fields {
  readonly #bytes = new Map<number, Uint8Array>()
  readonly #numbers = new Map<number, bigint>()

  constructor(bytes: Uint8Array, message: string) {
    const reader = new ProtoReader(bytes, message)
    while (reader.next()) {
      if (reader.wireType === wire.bytes) this.#bytes.set(reader.field, reader.bytes())
      else if (reader.wireType === wire.varint) this.#numbers.set(reader.field, reader.uint64())
      else reader.skip()
    }
  }

  bytes(field: number): Uint8Array | undefined {
    return this.#bytes.get(field)
  }

  text(field: number): string {
    return new TextDecoder().decode(this.#bytes.get(field))
  }

  flag(field: number): boolean {
    return (this.#numbers.get(field) ?? 0n) !== 0n
  }

  number(field: number): number {
    return Number(this.#numbers.get(field) ?? 0n)
  }
}

const modelState: Kind = new Map(
  ['NOT_FOUND', 'NOT_LOADED', 'LOADING', 'LOADED', 'LOADING_FAILED', 'UNKNOWN'].map((name, number) => [name, number]),
)
const vModelState: Kind = new Map([
  ['NOT_FOUND', 0],
  ['DEFINED', 1],
  ['TRANSITIONING', 2],
  ['TRANSITION_FAILED', 3],
  ['UNKNOWN', 5],
])

const modelCopyInfo: Schema = {
  location: { number: 1, kind: 'string' },
  copyStatus: { number: 2, kind: modelState },
  time: { number: 3, kind: 'integer' },
}
const modelStatusInfo: Schema = {
  status: { number: 1, kind: modelState },
  errors: { number: 2, kind: 'string' },
  modelCopyInfos: { number: 3, kind: { fields: modelCopyInfo } },
}
const vModelStatusInfo: Schema = {
  status: { number: 1, kind: vModelState },
  activeModelId: { number: 2, kind: 'string' },
  targetModelId: { number: 3, kind: 'string' },
  activeModelStatus: { number: 4, kind: { fields: modelStatusInfo } },
  targetModelStatus: { number: 5, kind: { fields: modelStatusInfo } },
  owner: { number: 6, kind: 'string' },
}
