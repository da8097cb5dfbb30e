/** From the options to one wire for each upstream. */
import type { SecureContext } from 'node:tls'
import { InferenceError, type InferenceRequest, type ModelSpec, type TensorMetadata } from '../../src/runtime/index.ts'
import { GrpcUpstream } from './grpc-exchange.ts'
import { HttpUpstream } from './http-exchange.ts'
import type { ProxyOptions } from './options.ts'
import { profileOf, type Profile, type Protocol } from './profiles.ts'
import { openOpenAi } from './openai-wire.ts'
import { openServingGrpc } from './serving-grpc.ts'
import { openV1Rest } from './v1-rest.ts'
import { openV2Grpc } from './v2-grpc.ts'
import { openV2Rest } from './v2-rest.ts'
import type { Target, Wire } from './wire.ts'

/** An address as configured, with its port. */
export interface Address {
  /** Without a slash at the end; holds no credentials. */
  readonly url: string
  readonly protocol: Protocol
}

/** @throws InferenceError `failed_precondition` naming the address and what is wrong with it */
export function readAddresses(
  options: Pick<ProxyOptions, 'profile' | 'protocol'> & { readonly upstreams: readonly string[] },
): readonly Address[] {
  const profile = profileOf(options.profile)
  const addresses = options.upstreams.map((text) => addressOf(text, profile, options.protocol))
  const [first] = addresses
  const odd = addresses.find(({ protocol }) => protocol !== first?.protocol)
  if (odd === undefined) return addresses
  throw failed(
    `${odd.url} speaks ${odd.protocol}, ${first?.url ?? ''} ${first?.protocol ?? ''}: all must speak the same`,
  )
}

function addressOf(text: string, profile: Profile, wanted: Protocol | undefined): Address {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.+?)\/*$/i.exec(text) ?? []
  const kind = scheme.toLowerCase()
  const isGrpc = kind === 'grpc' || kind === 'grpcs'
  // Read as HTTP, because URL reads no ports of schemes that it does not know.
  const parsed = URL.canParse(`http://${rest}`) ? new URL(`http://${rest}`) : undefined
  if (parsed === undefined || !(isGrpc || kind === 'http' || kind === 'https')) {
    throw failed(`'${text}' must be grpc://host:port, grpcs://…, http://host:port or https://…`)
  }
  if (parsed.username !== '' || parsed.password !== '')
    throw failed('credentials belong into auth, not into an address')
  const isPlain = parsed.search === '' && parsed.hash === '' && (!isGrpc || parsed.pathname === '/')
  if (!isPlain) throw failed(`'${text}' must end after ${isGrpc ? 'the port' : 'the path'}`)
  const protocol = wanted ?? (isGrpc ? profile.grpc : profile.rest)
  if (protocol === undefined || protocol.startsWith('grpc') !== isGrpc) {
    throw failed(`'${text}': protocol ${protocol ?? ''} needs an address with ${isGrpc ? 'http://' : 'grpc://'}`)
  }
  const isTls = kind.endsWith('s')
  const port =
    /:\d+$/.exec(parsed.origin)?.[0] ?? defaultPort(rest, isTls, isGrpc ? (profile.grpcPort ?? 0) : profile.restPort)
  return { url: `${kind}://${parsed.hostname}${port}${isGrpc ? '' : parsed.pathname.replace(/\/+$/, '')}`, protocol }
}

/** URL leaves out port 80; a server behind TLS is most likely behind a gateway. */
function defaultPort(rest: string, isTls: boolean, port: number): string {
  if (/^[^/]*:80(\/|$)/.test(rest)) return ':80'
  return isTls ? ':443' : `:${port}`
}

export interface WireOptions {
  readonly spec: ModelSpec
  readonly options: ProxyOptions
  readonly tls: SecureContext | undefined
  /** The outputs of a request's signature as they are known at the time of asking. */
  readonly outputs: (request: InferenceRequest) => readonly TensorMetadata[]
}

/** Nothing connects before the first call. */
export function openWires(addresses: readonly Address[], given: WireOptions): readonly Wire[] {
  const target = targetOf(given)
  return addresses.map(({ url, protocol }) => openWire(url, protocol, target, given))
}

function openWire(url: string, protocol: Protocol, target: Target, { options, tls, outputs }: WireOptions): Wire {
  const { connect_timeout_ms: connectTimeoutMs, max_response_bytes: maxResponseBytes, health, binary } = options
  const opening = { url, tls, connectTimeoutMs, maxResponseBytes }
  if (protocol === 'grpc-v2') return openV2Grpc(new GrpcUpstream(opening), target)
  if (protocol === 'grpc-v1') return openServingGrpc(new GrpcUpstream(opening), target)
  const upstream = new HttpUpstream(opening)
  const { isBinary, paths, hasMetadata } = profileOf(options.profile)
  const readyPath = health.path ?? paths?.ready
  if (protocol === 'openai') {
    return openOpenAi(upstream, target, {
      readyPath: readyPath ?? '/v1/models',
      hasMetrics: options.profile === 'vllm',
    })
  }
  if (protocol === 'v2') return openV2Rest(upstream, target, { isBinary: binary ?? isBinary, readyPath })
  return openV1Rest(upstream, target, { predictPath: paths?.predict, readyPath, hasMetadata, outputs })
}

function targetOf({ spec, options: { model, version } }: WireOptions): Target {
  return {
    local: spec.ref,
    remote: { name: model ?? spec.ref.name, ...(version === undefined ? {} : { version }) },
  }
}

function failed(message: string): InferenceError {
  return new InferenceError('failed_precondition', `option 'upstreams' of runtime 'proxy': ${message}`)
}
