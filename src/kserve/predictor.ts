/** The one implementation of a predictor: `model`, or one of the fields of a format that were there before it. */
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { legacyFormats, type Implementation, type Predictor, type Protocol, type Storage } from './schemas.ts'

/** What a predictor runs, in the words of `model`. */
export interface PredictorModel {
  readonly format: string
  readonly version?: string
  readonly protocol?: Protocol
  readonly runtime?: string
  readonly given: Implementation
  /** Of the field itself: `spec.predictor.model`. */
  readonly path: SpecPath
}

/** Fields and formats whose servers speak V2 only, so that KServe takes V2 where nothing is said. */
const v2Fields: readonly string[] = ['triton', 'onnx', 'huggingface']
const v2Formats: readonly string[] = ['triton', 'vLLM']

const base: SpecPath = ['spec', 'predictor']

/** @returns undefined where there is none that Servable can run, or more than one; that is then among the complaints */
export function predictorModel(predictor: Predictor, complaints: DocumentComplaints): PredictorModel | undefined {
  const fields = legacyFormats.filter((format) => predictor[format] !== undefined)
  const given = [...(predictor.model === undefined ? [] : ['model']), ...fields]
  if (given.length > 1) {
    complaints.error(base, `has ${given.join(' and ')}: exactly one of them must be there`)
    return undefined
  }
  const [field] = fields
  const containers = predictor.containers ?? []
  if (containers.length > 0) {
    const [container] = containers
    const image = container?.image === undefined ? '' : ` of the image '${container.image}'`
    const advice =
      given.length === 0 ? ': give the model as model: {modelFormat: {name: onnx}, storageUri: file://…}' : ''
    complaints.error([...base, 'containers'], `a container${image} would answer, and Servable runs none${advice}`)
    return undefined
  }
  if (predictor.model !== undefined) return fromModel(predictor.model)
  const legacy = field === undefined ? undefined : predictor[field]
  if (field !== undefined && legacy !== undefined) return fromLegacy(field, legacy)
  complaints.error(base, `has no model: give one as model: {modelFormat: {name: onnx}, storageUri: file://…}`)
  return undefined
}

function fromModel(model: NonNullable<Predictor['model']>): PredictorModel {
  const { name, version } = model.modelFormat
  const protocol = model.protocolVersion ?? (v2Formats.includes(name) ? 'v2' : undefined)
  return {
    format: name,
    ...(version === undefined ? {} : { version }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(model.runtime === undefined ? {} : { runtime: model.runtime }),
    given: model,
    path: [...base, 'model'],
  }
}

function fromLegacy(field: string, given: Implementation): PredictorModel {
  const protocol = given.protocolVersion ?? (v2Fields.includes(field) ? 'v2' : undefined)
  return { format: field, ...(protocol === undefined ? {} : { protocol }), given, path: [...base, field] }
}

/** What says where the model's files are, and the path of the field that does. */
export type StorageField =
  | { readonly kind: 'uri'; readonly uri: string; readonly path: SpecPath }
  | { readonly kind: 'spec'; readonly spec: Storage; readonly path: SpecPath }

/** @returns undefined where nothing or too much is there, which is then among the complaints */
export function storageOf(
  predictor: Predictor,
  { given, path }: PredictorModel,
  complaints: DocumentComplaints,
): StorageField | undefined {
  const { storageUri, storage } = given
  const uris = predictor.storageUris ?? []
  const ways = [
    storageUri === undefined ? '' : 'storageUri',
    storage === undefined ? '' : 'storage',
    uris.length === 0 ? '' : 'storageUris',
  ]
  const named = ways.filter((way) => way !== '')
  if (named.length === 0) {
    complaints.error(path, 'storageUri is missing: say where the model lies, as storageUri: file:///models/iris')
    return undefined
  }
  if (named.length > 1) {
    complaints.error(path, `has ${named.join(' and ')}: exactly one of them must be there`)
    return undefined
  }
  if (storageUri !== undefined) return { kind: 'uri', uri: storageUri, path: [...path, 'storageUri'] }
  if (storage !== undefined) return { kind: 'spec', spec: storage, path: [...path, 'storage'] }
  const [first, ...others] = uris
  const isPlain = first?.mountPath === undefined || first.mountPath === '/mnt/models'
  if (first !== undefined && others.length === 0 && isPlain) {
    return { kind: 'uri', uri: first.uri, path: [...base, 'storageUris', 0, 'uri'] }
  }
  complaints.error([...base, 'storageUris'], 'only one URI, mounted at /mnt/models, is understood')
  return undefined
}
