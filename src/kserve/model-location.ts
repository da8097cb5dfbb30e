/** Where the files of an InferenceService lie on this machine. */
import { dirname, resolve } from 'node:path'
import { messageOf } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import { pathInClaim } from '../storage/index.ts'

export type Location =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'remote'; readonly uri: string }
  | { readonly kind: 'refused'; readonly message: string }

/** Schemes that models are fetched from. */
const remoteSchemes = ['gs', 's3', 'http', 'https', 'hf', 'abfs', 'abfss', 'wasb', 'wasbs', 'azure'] as const
/** More that KServe fetches from. */
const absentSchemes = ['hdfs', 'webhdfs', 'modelscope', 'oci', 'oci+native', 'oci+fetch'] as const
const localSchemes = ['file', 'pvc'] as const

/**
 * `file://` and plain paths, relative ones from the directory of the manifest; `pvc://claim/path` in the directory that stands
 * for the claim; URIs of stores as they are. They are not repeated in messages as they may hold passwords.
 *
 * @param claims directories by the names of PersistentVolumeClaims
 */
export function locate(uri: string, manifest: string, claims: ReadonlyMap<string, string>): Location {
  const [, scheme, rest] = /^([A-Za-z][\w+.-]*):\/\/(.*)$/s.exec(uri) ?? []
  if (uri === '') return refused('is empty; give a URI such as file:///models/iris')
  if (scheme === undefined || rest === undefined) return { kind: 'path', path: resolve(dirname(manifest), uri) }
  if (scheme === 'file') {
    if (rest === '') return refused('has no path; give one as file:///models/iris')
    return { kind: 'path', path: resolve(dirname(manifest), rest) }
  }
  if (scheme === 'pvc') return inClaim(rest, claims)
  if (remoteSchemes.some((known) => known === scheme)) return { kind: 'remote', uri }
  if (absentSchemes.some((known) => known === scheme)) {
    return refused(`${scheme}:// is not fetched; download the model and give its place as file:///models/…`)
  }
  const meant = nearest(scheme, [...localSchemes, ...remoteSchemes])
  return refused(
    `Cannot recognize storage type '${scheme}': ${meant === undefined ? 'there are file:// and pvc://' : `did you mean '${meant}://'?`}`,
  )
}

function inClaim(rest: string, claims: ReadonlyMap<string, string>): Location {
  try {
    return { kind: 'path', path: pathInClaim(rest, claims) }
  } catch (reason) {
    return refused(messageOf(reason))
  }
}

function refused(message: string): Location {
  return { kind: 'refused', message }
}
