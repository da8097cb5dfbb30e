/** The files of a model whose `model.yaml` names a `uri`: fetched, and listed as if they lay beside it. */
import { stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Log } from '../core/log.ts'
import { isUri, shownUri } from '../storage/index.ts'
import { declaredIn, yamlName } from './declarations.ts'
import { candidateOfFile, listDirectory, listingOf, type DirectoryListing } from './directory-listing.ts'
import type { Declared } from './discovered-model.ts'
import { configName } from './triton/read-config.ts'
import { versionOf } from './version.ts'

/** Brings a model here. */
export type FetchFiles = (
  uri: string,
) => Promise<{ readonly kind: 'local'; readonly path: string } | { readonly kind: 'failed'; readonly reason: string }>

/** What lies at a URI. */
export interface StoredFiles {
  readonly listing: DirectoryListing
  /** What the files there say, and the version of the path where it names one: `…/iris/3/model.onnx`. */
  readonly declared: readonly Declared[]
}

/**
 * @param beside what lies where the model.yaml does, which is not served then; relative paths start there
 * @param declared what the model.yaml says
 * @returns undefined where no `uri` is named; a reason, which names the field, where its files cannot be had
 */
export async function storedFiles(
  beside: DirectoryListing,
  declared: readonly Declared[],
  { fetch, log }: { readonly fetch?: FetchFiles; readonly log: Log },
): Promise<StoredFiles | string | undefined> {
  const named = declared.findLast(({ yaml }) => yaml.uri !== undefined)
  const uri = named?.yaml.uri
  if (uri === undefined) return undefined
  const { directory } = beside
  if (beside.candidates.length + beside.versions.length > 0) {
    log.warn({ path: directory }, 'model files beside a model.yaml with a uri are not served')
  }
  const field = `${join(directory, yamlName)}: 'uri'`
  const reached = isUri(uri) || isAbsolute(uri) ? uri : resolve(directory, uri)
  if (fetch === undefined) return `${field}: models are not fetched here`
  const fetched = await fetch(reached)
  if (fetched.kind === 'failed') return `${field}: ${fetched.reason}`
  const { path } = fetched
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) return `${field}: ${shownUri(uri)} does not exist`
  if (stats.isDirectory()) return filesOfDirectory(path, declared, `${field}: ${shownUri(uri)}`, log)
  const format = declared.findLast(({ yaml }) => yaml.format !== undefined)?.yaml.format
  const listing = await listingOfFile(path, format)
  return typeof listing === 'string' ? `${field}: ${listing}` : { listing, declared: versionIn(dirname(path)) }
}

async function filesOfDirectory(
  path: string,
  declared: readonly Declared[],
  origin: string,
  log: Log,
): Promise<StoredFiles | string> {
  const listing = await listDirectory(path)
  const { candidates, versions, declarations } = listing
  const taken = declarations.filter((name) => isTaken(name, declared))
  const says = await declaredIn(path, taken, log)
  if (typeof says === 'string') return `${origin}: ${says}`
  const isNamed = [...says, ...declared].some(({ yaml }) => yaml.file !== undefined || yaml.runtime !== undefined)
  if (candidates.length === 0 && versions.length === 0 && !isNamed) return `${origin} holds no model file that is known`
  return { listing: { ...listing, declarations: [] }, declared: [...says, ...versionIn(path)] }
}

/** Hooks and runtimes are named where the URI is, not in what comes from a store; one configuration takes the other's place. */
function isTaken(name: string, declared: readonly Declared[]): boolean {
  return name !== yamlName && (name !== configName || declared.every(({ config }) => config === undefined))
}

async function listingOfFile(path: string, format: string | undefined): Promise<DirectoryListing | string> {
  const directory = dirname(path)
  const name = basename(path)
  const known = await candidateOfFile(directory, name)
  const candidate = known ?? (format === undefined ? undefined : { name, format, directory, file: path })
  if (candidate === undefined) return `the format of ${name} is not known by its name; say which, as format: onnx`
  return listingOf(candidate)
}

function versionIn(directory: string): readonly Declared[] {
  const version = versionOf(basename(directory))
  return version === undefined ? [] : [{ yaml: {}, version, directory }]
}
