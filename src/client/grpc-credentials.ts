/** How a gRPC channel is secured, and whom it trusts. */
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type * as GrpcJs from '@grpc/grpc-js'
import type { ChannelCredentials, ChannelOptions, VerifyOptions } from '@grpc/grpc-js'
import { secureContextOf, type ClientTls } from './tls.ts'

/** Not an address of anybody (RFC 2606): the name asked for where the server has none. */
const noName = 'address.invalid'

/** What a channel is opened with. */
export interface ChannelSecurity {
  readonly credentials: ChannelCredentials
  readonly options: ChannelOptions
}

/**
 * @param host `name:port`, `1.2.3.4:port` or `[::1]:port`
 * @throws InferenceError `invalid_argument` where `tls` holds no PEM, or key and certificate do not fit
 */
export function securityOf(grpc: typeof GrpcJs, host: string, isTls: boolean, tls: ClientTls): ChannelSecurity {
  if (!isTls) return { credentials: grpc.credentials.createInsecure(), options: {} }
  const address = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  if (isIP(address) === 0) return { credentials: secure(grpc, tls), options: {} }
  // grpc-js asks TLS for the server by its address, which Node 26 refuses and RFC 6066 forbids; certificates may still name it.
  const verify: VerifyOptions = {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(address, certificate),
  }
  return { credentials: secure(grpc, tls, verify), options: { 'grpc.ssl_target_name_override': noName } }
}

function secure({ credentials }: typeof GrpcJs, tls: ClientTls, verify: VerifyOptions = {}): ChannelCredentials {
  // Without wishes of its own, whom gRPC trusts can be set from outside: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH.
  if (Object.keys(tls).length === 0) return credentials.createSsl(null, null, null, verify)
  return credentials.createFromSecureContext(secureContextOf(tls), verify)
}
