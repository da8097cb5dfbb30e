/** The forms in which a place among Azure's blobs is written. */
import { InferenceError } from '../core/errors.ts'
import { variable, type Environment } from './environment.ts'
import { shownUri } from './location.ts'

export interface AzureTarget {
  readonly account: string
  readonly container: string
  /** A blob or what stands before the names of many; empty for the whole container. */
  readonly key: string
  /** Of the container, without a signature. */
  readonly url: string
  /** The query of an address that was signed, without its question mark; a secret. */
  readonly signature: string
}

/**
 * - `https://account.blob.core.windows.net/container/path`, with a signature behind a question mark or not
 * - `abfss://container@account.dfs.core.windows.net/path`, and abfs, wasb, wasbs
 * - `azure://container/path`, the account by AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT
 *
 * @throws InferenceError `invalid_argument` that shows the forms
 */
export function azureTarget(uri: string, environment: Environment): AzureTarget {
  const [, scheme = '', rest = ''] = /^([^:]+):\/\/(.*)$/s.exec(uri) ?? []
  if (/^https?$/i.test(scheme)) return fromHttps(uri)
  if (scheme.toLowerCase() === 'azure') return fromContainer(uri, rest, environment)
  const [, container, account, domain, path = ''] =
    /^([^@/]+)@([^./]+)\.(?:dfs|blob)\.([^/]+)\/?(.*)$/s.exec(rest) ?? []
  if (container === undefined || account === undefined || domain === undefined) throw invalid(uri)
  const url = `https://${account}.blob.${domain}/${container}`
  return { account, container, key: path.replace(/\/+$/, ''), url, signature: '' }
}

function fromHttps(uri: string): AzureTarget {
  if (!URL.canParse(uri)) throw invalid(uri)
  const { origin, hostname, pathname, search } = new URL(uri)
  const [container = '', ...path] = pathname.split('/').filter((part) => part !== '')
  if (container === '') throw invalid(uri)
  const [account = ''] = hostname.split('.')
  return {
    account,
    container,
    key: path.map(decoded).join('/'),
    url: `${origin}/${container}`,
    signature: search.replace(/^\?/, ''),
  }
}

function fromContainer(uri: string, rest: string, environment: Environment): AzureTarget {
  const [container = '', ...path] = rest.split('/').filter((part) => part !== '')
  if (container === '') throw invalid(uri)
  const connection = variable(environment, 'AZURE_STORAGE_CONNECTION_STRING') ?? ''
  const inConnection = (key: string): string | undefined =>
    new RegExp(`(?:^|;)${key}=([^;]+)`, 'i').exec(connection)?.[1]
  const account = inConnection('AccountName') ?? variable(environment, 'AZURE_STORAGE_ACCOUNT')
  if (account === undefined) {
    throw new InferenceError(
      'invalid_argument',
      `${shownUri(uri)} names no account: set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING`,
    )
  }
  const endpoint = inConnection('BlobEndpoint') ?? `https://${account}.blob.core.windows.net`
  return { account, container, key: path.join('/'), url: `${endpoint.replace(/\/+$/, '')}/${container}`, signature: '' }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function invalid(uri: string): InferenceError {
  return new InferenceError(
    'invalid_argument',
    `${shownUri(uri)}: expected https://account.blob.core.windows.net/container/path, abfss://container@account.dfs.core.windows.net/path or azure://container/path`,
  )
}
