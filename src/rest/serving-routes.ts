/** Requests on the hosts and paths of services, as KServe's ingress takes them, get the paths of their models. */
import type { IncomingMessage } from 'node:http'
import { graphUrl } from './graph-routes.ts'
import type { RestGraphs } from './options.ts'

/** A service as a request found it. */
export interface FoundService {
  /** Its model, as callers name it. */
  readonly model: string
  /** The model that answers: another where the host names a revision. */
  readonly asked: string
}

/** The InferenceServices as this door finds them. */
export interface RestServices {
  /** There is none: nothing is to be looked up. */
  readonly isEmpty: boolean
  /** @param host as the header has it, with or without a port */
  atHost(host: string): FoundService | undefined
  at(namespace: string, name: string): FoundService | undefined
}

const servingPath = /^\/serving\/([^/?]+)\/([^/?]+)(?=[/?]|$)/
const modelPath = /^(\/v[12]\/models\/)([^/:?]+)/
/** Where no route is: models that are not those of the host that was asked. */
const otherPath = '/serving/-/other/'

/** Rewrites the URL of a request: graphs first, which answer on any path of theirs. */
export function servingUrl(
  services: RestServices,
  graphs: RestGraphs | undefined,
): (request: IncomingMessage) => string {
  const ofGraph = graphs === undefined ? undefined : graphUrl(graphs)
  return (request) => {
    const given = request.url ?? '/'
    if (services.isEmpty && graphs?.isEmpty !== false) return given
    const url = ofGraph?.(request) ?? given
    if (url !== given) return url
    const { host } = request.headers
    const atHost = host === undefined ? undefined : services.atHost(host)
    if (atHost !== undefined) return toModel(given, atHost)
    if (!given.startsWith('/serving/')) return given
    const match = servingPath.exec(given)
    const [whole = '', namespace = '', name = ''] = match ?? []
    const atPath = match === null ? undefined : services.at(namespace, name)
    if (atPath === undefined) return given
    const rest = given.slice(whole.length)
    return toModel(rest.startsWith('/') ? rest : `/${rest}`, atPath)
  }
}

function toModel(url: string, { model, asked }: FoundService): string {
  const [path, before = '', segment = ''] = modelPath.exec(url) ?? []
  if (path === undefined) return url
  const name = decoded(segment)
  if (name === asked) return url
  return name === model
    ? `${before}${encodeURIComponent(asked)}${url.slice(path.length)}`
    : `${otherPath}${encodeURIComponent(name)}`
}

/** The model that was asked for on the host of another, from what {@link servingUrl} made of it. */
export function otherModelAt(url: string): string | undefined {
  return url.startsWith(otherPath) ? decoded(url.slice(otherPath.length)) : undefined
}

/** Empty where it is malformed. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}
