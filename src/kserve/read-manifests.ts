/** Reads files and directories of Kubernetes manifests: the kinds that Servable understands, and a word about the others. */
import { readFile, stat } from 'node:fs/promises'
import { InferenceError, messageOf } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { Complaints, type DocumentComplaints } from './complaints.ts'
import { parseDocuments, type SourceDocument } from './documents.ts'
import { findFiles, type ManifestFile } from './find-files.ts'
import type { Manifest, Manifests, SecretContent, ServiceAccountContent } from './manifests.ts'
import { check } from './check-fields.ts'
import { inferenceService, manifest, secret, serviceAccount, servingRuntime } from './schemas.ts'
import { warnOfUnknownRuntimeFields, warnOfUnknownServiceFields } from './unknown-fields.ts'
import { SecretText } from './secret-text.ts'
import type { InferenceServiceSpec, ServingRuntimeSpec } from './schemas.ts'

/** Larger files are no manifests; they are not read into memory. */
const maxBytes = 8_000_000

/** The groups and versions that are understood, by kind. */
const versions: Readonly<Record<string, string>> = {
  InferenceService: 'serving.kserve.io/v1beta1',
  ServingRuntime: 'serving.kserve.io/v1alpha1',
  ClusterServingRuntime: 'serving.kserve.io/v1alpha1',
  InferenceGraph: 'serving.kserve.io/v1alpha1',
  Secret: 'v1',
  ServiceAccount: 'v1',
}

/** KServe's, of what names none. */
const defaultNamespace = 'default'

const topFields = ['apiVersion', 'kind', 'metadata', 'spec', 'status']
const ownFields: Readonly<Record<string, readonly string[]>> = {
  Secret: ['apiVersion', 'kind', 'metadata', 'type', 'data', 'stringData', 'immutable'],
  ServiceAccount: ['apiVersion', 'kind', 'metadata', 'secrets', 'imagePullSecrets', 'automountServiceAccountToken'],
}

interface Found {
  readonly inferenceServices: Manifest<InferenceServiceSpec>[]
  readonly servingRuntimes: Manifest<ServingRuntimeSpec>[]
  readonly inferenceGraphs: Manifest<unknown>[]
  readonly secrets: Manifest<SecretContent>[]
  readonly serviceAccounts: Manifest<ServiceAccountContent>[]
}

/**
 * Reads all manifests under the paths: YAML and JSON files, of one or many documents, and directories with everything in
 * them.
 *
 * @throws InferenceError `invalid_argument` that lists every mistake with file, line and field
 */
export async function readManifests(paths: readonly string[]): Promise<Manifests> {
  const files = await findFiles(paths)
  const documents: { readonly document: SourceDocument; readonly isNamed: boolean }[] = []
  const complaints = new Complaints()
  for (const file of files) {
    try {
      const text = await textOf(file, complaints)
      for (const document of parseDocuments(text, file.path)) documents.push({ document, isNamed: file.isNamed })
    } catch (reason) {
      if (!(reason instanceof InferenceError)) throw reason
      complaints.errors.push(reason.message)
    }
  }
  return manifestsOf(documents, complaints)
}

/**
 * Reads manifests from a text of one or many documents.
 *
 * @param file for messages, and for what is relative to it
 * @param namespace of documents that name none
 * @throws InferenceError `invalid_argument` that lists every mistake with file, line and field
 */
export function readManifestText(text: string, file: string, namespace = defaultNamespace): Manifests {
  const documents = parseDocuments(text, file).map((document) => ({ document, isNamed: true }))
  return manifestsOf(documents, new Complaints(), namespace)
}

function manifestsOf(
  documents: readonly { readonly document: SourceDocument; readonly isNamed: boolean }[],
  complaints: Complaints,
  namespace = defaultNamespace,
): Manifests {
  const found: Found = {
    inferenceServices: [],
    servingRuntimes: [],
    inferenceGraphs: [],
    secrets: [],
    serviceAccounts: [],
  }
  for (const each of documents) take(each, namespace, found, complaints)
  const lists: readonly (readonly Manifest<unknown>[])[] = Object.values(found)
  for (const list of lists) refuseDuplicates(list, complaints)
  complaints.throwErrors()
  return { ...found, warnings: complaints.warnings }
}

/** Data beside manifests may be JSON of any size. */
async function textOf({ path, isNamed }: ManifestFile, complaints: Complaints): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes && !isNamed && path.endsWith('.json')) {
      complaints.warnings.push(`${path}:1: is too large for a manifest, it is left alone`)
      return ''
    }
    if (size > maxBytes) throw invalid(`${path}:1: is ${size} bytes long, a file of manifests may have ${maxBytes}`)
    return await readFile(path, 'utf8')
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    throw invalid(`manifest ${path} cannot be read: ${messageOf(reason)}`)
  }
}

function take(
  { document, isNamed }: { readonly document: SourceDocument; readonly isNamed: boolean },
  defaulted: string,
  found: Found,
  all: Complaints,
): void {
  const complaints = all.of(document.where)
  const { value } = document
  const kind = kindOf(value)
  if (kind === undefined) {
    const message = 'is no manifest: it has no apiVersion and kind'
    // A directory may hold other YAML beside manifests, such as a model.yaml.
    if (isNamed) complaints.error([], message)
    else complaints.warn([], `${message}, it is left alone`)
    return
  }
  if (!isUnderstood(kind, complaints)) return
  const outside = check(manifest, value, [], complaints)
  if (outside === undefined) return
  // `check` has seen that it is an object.
  const fields = value as Readonly<Record<string, unknown>>
  const { name, namespace, labels, annotations, creationTimestamp } = outside.metadata
  const createdMs = Date.parse(creationTimestamp ?? '')
  takeKind(
    {
      kind: kind.kind,
      name,
      namespace: kind.kind === 'ClusterServingRuntime' ? '' : (namespace ?? defaulted),
      labels: labels ?? {},
      annotations: annotations ?? {},
      createdMs: Number.isNaN(createdMs) ? 0 : createdMs,
      spec: fields,
      file: document.file,
      where: document.where,
    },
    found,
    complaints,
  )
}

function takeKind(
  outside: Manifest<Readonly<Record<string, unknown>>>,
  found: Found,
  complaints: DocumentComplaints,
): void {
  const { kind, spec: fields } = outside
  const known = ownFields[kind] ?? topFields
  for (const field of Object.keys(fields)) if (!known.includes(field)) complaints.unknown([field], known)
  if (kind === 'InferenceService') {
    const spec = check(inferenceService, fields['spec'], ['spec'], complaints)
    if (spec === undefined) return
    warnOfUnknownServiceFields(spec, complaints)
    found.inferenceServices.push({ ...outside, spec })
  } else if (kind === 'InferenceGraph') found.inferenceGraphs.push({ ...outside, spec: fields['spec'] })
  else if (kind === 'Secret') {
    const given = check(secret, fields, [], complaints)
    if (given !== undefined) found.secrets.push({ ...outside, spec: secretOf(given) })
  } else if (kind === 'ServiceAccount') {
    const given = check(serviceAccount, fields, [], complaints)
    const names = given?.secrets?.flatMap((each) => each.name ?? []) ?? []
    if (given !== undefined) found.serviceAccounts.push({ ...outside, spec: { secrets: names } })
  } else {
    const spec = check(servingRuntime, fields['spec'], ['spec'], complaints)
    if (spec === undefined) return
    warnOfUnknownRuntimeFields(spec, complaints)
    found.servingRuntimes.push({ ...outside, spec })
  }
}

function kindOf(value: unknown): { readonly apiVersion: string; readonly kind: string } | undefined {
  if (typeof value !== 'object' || value === null || !('apiVersion' in value && 'kind' in value)) return undefined
  const { apiVersion, kind } = value
  return typeof apiVersion === 'string' && typeof kind === 'string' ? { apiVersion, kind } : undefined
}

/** @returns whether the document is one to read; where not, that is told */
function isUnderstood(
  { apiVersion, kind }: { readonly apiVersion: string; readonly kind: string },
  complaints: DocumentComplaints,
): boolean {
  const wanted = Object.hasOwn(versions, kind) ? versions[kind] : undefined
  if (wanted === apiVersion) return true
  const [group = ''] = apiVersion.split('/')
  if (wanted !== undefined && wanted.startsWith(`${group}/`)) {
    complaints.error(['apiVersion'], `${kind} of '${apiVersion}' is not understood, expected '${wanted}'`)
    return false
  }
  const isKServe = group === 'serving.kserve.io'
  const meant = isKServe ? nearest(kind, Object.keys(versions)) : undefined
  if (meant === undefined) complaints.warn(['kind'], `${kind} (${apiVersion}) is not understood, it is left alone`)
  else complaints.error(['kind'], `there is no kind '${kind}': did you mean '${meant}'?`)
  return false
}

function secretOf({ type, data, stringData }: ReturnType<typeof secret.parse>): SecretContent {
  const values = new Map<string, SecretText>()
  for (const [key, value] of Object.entries(data ?? {})) {
    values.set(key, new SecretText(Buffer.from(value, 'base64').toString('utf8')))
  }
  for (const [key, value] of Object.entries(stringData ?? {})) values.set(key, new SecretText(value))
  return { type: type ?? 'Opaque', values }
}

function refuseDuplicates(manifests: readonly Manifest<unknown>[], all: Complaints): void {
  const seen = new Map<string, Manifest<unknown>>()
  for (const each of manifests) {
    const key = `${each.kind}\0${each.namespace}\0${each.name}`
    const first = seen.get(key)
    if (first === undefined) seen.set(key, each)
    else {
      const place = first.where(['metadata', 'name'])
      const namespace = each.namespace === '' ? '' : ` in namespace '${each.namespace}'`
      const message = `${each.kind} '${each.name}'${namespace} is there twice, see ${place}`
      all.of(each.where).error(['metadata', 'name'], message)
    }
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
