/** The requests of Triton's and KServe's management calls. Every function throws `invalid_argument` where one is malformed. */
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { InferenceError } from '../core/errors.ts'

/** RepositoryIndexRequest. */
export function decodeIndexRequest(bytes: Uint8Array): { readonly repository: string; readonly isReadyOnly: boolean } {
  const reader = new ProtoReader(bytes, 'RepositoryIndexRequest')
  let [repository, isReadyOnly] = ['', false]
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) repository = reader.string()
    else if (reader.field === 2 && reader.wireType === wire.varint) isReadyOnly = reader.bool()
    else reader.skip()
  }
  return { repository, isReadyOnly }
}

export interface ControlRequest {
  readonly model: string
  readonly parameters: Readonly<Record<string, unknown>>
  /** The message is KServe's: it wants the name back. */
  readonly isKServe: boolean
}

/**
 * RepositoryModelLoadRequest or RepositoryModelUnloadRequest, of Triton (`repository_name` 1, `model_name` 2) or of KServe
 * (`model_name` 1): the one name that stands in field 1 alone is a model's.
 *
 * @throws InferenceError `unimplemented` where it names a repository beside a model
 */
export function decodeControlRequest(bytes: Uint8Array, message: string): ControlRequest {
  const reader = new ProtoReader(bytes, message)
  let [first, second] = ['', '']
  const parameters: Record<string, unknown> = {}
  while (reader.next()) {
    if (reader.field > 3 || reader.wireType !== wire.bytes) reader.skip()
    else if (reader.field === 1) first = reader.string()
    else if (reader.field === 2) second = reader.string()
    else readEntry(reader, (key) => (parameters[key] = readChoice(reader)))
  }
  if (first !== '' && second !== '') throw namedRepository()
  return { model: second === '' ? first : second, parameters, isKServe: second === '' && first !== '' }
}

export function namedRepository(): InferenceError {
  return new InferenceError('unimplemented', `'repository_name' specification is not supported`)
}

/** TraceSettingRequest; a setting without a value becomes null: the default. */
export function decodeTraceRequest(bytes: Uint8Array): {
  readonly model: string
  readonly settings: Readonly<Record<string, unknown>>
} {
  const reader = new ProtoReader(bytes, 'TraceSettingRequest')
  let model = ''
  const settings: Record<string, unknown> = {}
  while (reader.next()) {
    if (reader.field > 2 || reader.wireType !== wire.bytes) reader.skip()
    else if (reader.field === 2) model = reader.string()
    else readEntry(reader, (key) => (settings[key] = readTexts(reader)))
  }
  return { model, settings }
}

/** LogSettingsRequest. */
export function decodeLogRequest(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const reader = new ProtoReader(bytes, 'LogSettingsRequest')
  const settings: Record<string, unknown> = {}
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) {
      readEntry(reader, (key) => (settings[key] = readChoice(reader)))
    } else reader.skip()
  }
  return settings
}

/** One entry of a map to messages. @param read reads the value, which is entered; not called where there is none */
function readEntry(reader: ProtoReader, read: (key: string) => void): void {
  reader.countEntry()
  const outer = reader.enter()
  let key = ''
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) key = reader.string()
    else if (reader.field === 2 && reader.wireType === wire.bytes) {
      const inner = reader.enter()
      read(key)
      reader.leave(inner)
    } else reader.skip()
  }
  reader.leave(outer)
}

/** ModelRepositoryParameter or LogSettings' SettingValue: `bool` 1, a number 2, `string` 3, `bytes` 4. */
function readChoice(reader: ProtoReader): unknown {
  let value: unknown
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) value = reader.bool()
    else if (reader.field === 2 && reader.wireType === wire.varint) value = reader.safeInt64()
    else if (reader.field === 3 && reader.wireType === wire.bytes) value = reader.string()
    else if (reader.field === 4 && reader.wireType === wire.bytes) value = reader.bytes()
    else reader.skip()
  }
  return value
}

function readTexts(reader: ProtoReader): readonly string[] | null {
  const texts: string[] = []
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) texts.push(reader.string())
    else reader.skip()
  }
  return texts.length === 0 ? null : texts
}
