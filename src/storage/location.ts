/** What a model's URI says: which store, and what in it. */
import { isAbsolute, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'

export type RemoteKind = 's3' | 'gs' | 'azure' | 'hf' | 'http'

export type ModelLocation =
  { readonly kind: 'local'; readonly path: string } | { readonly kind: RemoteKind; readonly uri: string }

const schemes = ['file', 'pvc', 'http', 'https', 's3', 'gs', 'hf', 'abfs', 'abfss', 'wasb', 'wasbs', 'azure']
/** Of KServe, and not of Servable. */
const absent: Readonly<Record<string, string>> = {
  hdfs: 'give it by the https:// address of WebHDFS, or copy it to one of the other stores',
  webhdfs: 'give it by the https:// address of WebHDFS, or copy it to one of the other stores',
  modelscope: 'give it by its https:// address',
  oci: 'mount the image as a volume (oci+native) and give the path',
  'oci+native': 'mount the image as a volume and give the path',
  'oci+fetch': 'mount the image as a volume and give the path',
}

/** KServe's: Azure's blobs have https:// addresses of their own. */
const azureBlob = /^https:\/\/[^/@]+\.(blob\.core\.windows\.net|z\d{1,2}\.blob\.storage\.azure\.net)(\/|$)/i
const azureFile = /^https:\/\/[^/@]+\.file\.core\.windows\.net(\/|$)/i

/** @returns whether a text names something by a scheme, and not by a path */
export function isUri(text: string): boolean {
  return /^[a-z][\w+.-]+:\/\//i.test(text)
}

/**
 * @param claims directories by the names of PersistentVolumeClaims
 * @param base directory that relative paths start from
 * @throws InferenceError `invalid_argument` that says which schemes there are, or how to name the claim's directory
 */
export function locationOf(
  uri: string,
  claims: ReadonlyMap<string, string> = new Map(),
  base = process.cwd(),
): ModelLocation {
  if (!isUri(uri)) return { kind: 'local', path: resolve(base, uri) }
  const scheme = uri.slice(0, uri.indexOf(':')).toLowerCase()
  const rest = uri.slice(scheme.length + 3)
  switch (scheme) {
    case 'file':
      return { kind: 'local', path: filePath(rest, base) }
    case 'pvc':
      return { kind: 'local', path: pathInClaim(rest, claims) }
    case 's3':
    case 'gs':
    case 'hf':
      return { kind: scheme, uri }
    case 'abfs':
    case 'abfss':
    case 'wasb':
    case 'wasbs':
    case 'azure':
      return { kind: 'azure', uri }
    case 'http':
    case 'https':
      if (azureBlob.test(uri)) return { kind: 'azure', uri }
      if (azureFile.test(uri)) throw invalid('Azure file shares are not fetched: mount the share and give the path')
      if (/\.git([?#]|$)/.test(uri)) throw invalid('git repositories are not cloned: give an archive of the files')
      return { kind: 'http', uri }
    default:
      throw unknownScheme(scheme)
  }
}

/** `file:///models/iris`, and as people write it: `file://models/iris` from where the server runs, with or without %20. */
function filePath(rest: string, base: string): string {
  if (rest === '') throw invalid('file:// has no path; give one as file:///models/iris')
  if (!rest.startsWith('/')) return resolve(base, rest)
  try {
    return fileURLToPath(`file://${rest.replaceAll('#', '%23').replaceAll('?', '%3F')}`)
  } catch {
    return resolve(rest) // a percent sign that begins no code
  }
}

/**
 * The path of `pvc://<rest>`.
 * @throws InferenceError `invalid_argument` where no directory stands for the claim, or the path leads out of it
 */
export function pathInClaim(rest: string, claims: ReadonlyMap<string, string>): string {
  const slash = rest.indexOf('/')
  const claim = slash === -1 ? rest : rest.slice(0, slash)
  const directory = claims.get(claim)
  if (directory === undefined) {
    const meant = nearest(claim, [...claims.keys()])
    const hint = meant === undefined ? '' : `; did you mean '${meant}'?`
    throw invalid(`no directory stands for the claim '${claim}': give it as --pvc ${claim}=PATH${hint}`)
  }
  const root = resolve(directory)
  const path = resolve(root, `.${slash === -1 ? '' : rest.slice(slash)}`)
  const below = relative(root, path)
  if (below.split(/[\\/]/)[0] !== '..' && !isAbsolute(below)) return path
  throw invalid(`the path leads out of the claim '${claim}'`)
}

function unknownScheme(scheme: string): InferenceError {
  const advice = absent[scheme]
  if (advice !== undefined) return invalid(`${scheme}:// is not fetched: ${advice}`)
  const meant = nearest(scheme, schemes)
  const hint = meant === undefined ? 'there are file, pvc, http, https, s3, gs, azure and hf' : `did you mean ${meant}?`
  return invalid(`Cannot recognize storage type for ${scheme}://: ${hint}`)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}

/** A URI as it may be shown: without user, password, and the query, which may be a signature. */
export function shownUri(uri: string): string {
  if (!isUri(uri)) return uri
  const [, scheme = '', rest = ''] = /^([^:]+:\/\/)([^?#]*)/.exec(uri) ?? []
  const isContainer = /^(abfss?|wasbs?):/i.test(uri) // here what stands before the @ is a container
  return scheme + (isContainer ? rest : rest.replace(/^[^/]*@/, ''))
}
