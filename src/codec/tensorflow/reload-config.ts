/** ReloadConfigRequest of TF Serving's ModelService: the models that shall be served from here on. */
import { InferenceError } from '../../core/errors.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'

/** Which versions of a model are served. */
export type VersionPolicy =
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly string[] }

/** `tensorflow.serving.ModelConfig`, as far as it is looked at. */
export interface ServingConfig {
  readonly name: string
  /** A directory of version directories; '' where the server shall look for the name in its own paths. */
  readonly basePath: string
  /** The newest version where the caller says nothing. */
  readonly policy: VersionPolicy
  /** Version by label. */
  readonly labels: ReadonlyMap<string, string>
}

const newest: VersionPolicy = { kind: 'latest', count: 1 }

/** @throws InferenceError `invalid_argument` where the bytes are no such message or hold no `model_config_list` */
export function decodeReloadConfigRequest(bytes: Uint8Array): readonly ServingConfig[] {
  const reader = new ProtoReader(bytes, 'ReloadConfigRequest')
  let configs: readonly ServingConfig[] | undefined
  while (reader.next()) {
    if (reader.field === 1) configs = readServerConfig(reader)
    else reader.skip()
  }
  if (configs !== undefined) return configs
  throw new InferenceError(
    'invalid_argument',
    'ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported',
  )
}

/** A choice of two kinds of configuration, of which the later one counts. @returns undefined for the other kind */
function readServerConfig(reader: ProtoReader): readonly ServingConfig[] | undefined {
  let configs: readonly ServingConfig[] | undefined
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1) configs = readList(reader)
    else {
      if (reader.field === 2) configs = undefined
      reader.skip()
    }
  }
  reader.leave(outer)
  return configs
}

/** ReloadConfigResponse of a reload that worked; one that failed is told by the status of the call. */
export function encodeReloadConfigResponse(): Uint8Array {
  const writer = new ProtoWriter(8)
  writer.embed(1, 0) // an empty StatusProto: OK
  return writer.finish()
}

function readList(reader: ProtoReader): ServingConfig[] {
  const configs: ServingConfig[] = []
  within(reader, () => {
    if (reader.field === 1) configs.push(readConfig(reader))
    else reader.skip()
  })
  return configs
}

function readConfig(reader: ProtoReader): ServingConfig {
  let [name, basePath] = ['', '']
  let policy = newest
  const labels = new Map<string, string>()
  reader.countEntry()
  within(reader, () => {
    if (reader.wireType !== wire.bytes) reader.skip()
    else if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) basePath = reader.string()
    else if (reader.field === 7) policy = readPolicy(reader)
    else if (reader.field === 8) readLabel(reader, labels)
    else reader.skip()
  })
  return { name, basePath, policy, labels }
}

/** ServableVersionPolicy of file_system_storage_path_source.proto. */
function readPolicy(reader: ProtoReader): VersionPolicy {
  let policy = newest
  within(reader, () => {
    if (reader.field === 100) policy = readLatest(reader)
    else if (reader.field === 101) {
      reader.skip()
      policy = { kind: 'all' }
    } else if (reader.field === 102) policy = { kind: 'specific', versions: readVersions(reader) }
    else reader.skip()
  })
  return policy
}

function readLatest(reader: ProtoReader): VersionPolicy {
  let count = 0
  within(reader, () => {
    if (reader.field === 1 && reader.wireType === wire.varint) count = reader.uint32()
    else reader.skip()
  })
  return { kind: 'latest', count: Math.max(1, count) } // as TF Serving takes 0
}

function readVersions(reader: ProtoReader): readonly string[] {
  const versions: string[] = []
  within(reader, () => {
    if (reader.field !== 1) reader.skip()
    else if (reader.wireType === wire.varint) versions.push(readVersion(reader))
    else {
      reader.expect(wire.bytes)
      const content = reader.bytes()
      const packed = new ProtoReader(content, 'SpecificVersions')
      while (packed.offset < content.byteLength) versions.push(readVersion(packed))
    }
  })
  return versions
}

/** An entry of `map<string, int64> version_labels`. */
function readLabel(reader: ProtoReader, labels: Map<string, string>): void {
  let [label, version] = ['', '0']
  reader.countEntry()
  within(reader, () => {
    if (reader.field === 1 && reader.wireType === wire.bytes) label = reader.string()
    else if (reader.field === 2 && reader.wireType === wire.varint) version = readVersion(reader)
    else reader.skip()
  })
  labels.set(label, version)
}

function readVersion(reader: ProtoReader): string {
  reader.countEntry()
  return String(BigInt.asIntN(64, reader.uint64()))
}

/** Reads the fields of the message that comes next. */
function within(reader: ProtoReader, readField: () => void): void {
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) readField()
  reader.leave(outer)
}
