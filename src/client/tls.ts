/** Whom a client trusts, and who it is: for https and grpcs. */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { InferenceError, messageOf } from '../core/errors.ts'

/** PEM texts, not paths. */
export interface ClientTls {
  /** Authorities to trust instead of the system's own. */
  readonly ca?: string | Uint8Array
  /** The client's certificate, where the server asks for one. */
  readonly certificate?: string | Uint8Array
  /** Its private key. */
  readonly key?: string | Uint8Array
}

/** @throws InferenceError `invalid_argument` where they are no PEM, or key and certificate do not fit */
export function secureContextOf(tls: ClientTls): SecureContext {
  try {
    return createSecureContext(optionsOf(tls))
  } catch (reason) {
    throw new InferenceError('invalid_argument', `tls: ca, certificate or key cannot be used: ${messageOf(reason)}`, {
      cause: reason,
    })
  }
}

/** The same for an agent of https. @throws as {@link secureContextOf} does */
export function secureOptions(tls: ClientTls): { readonly secureContext?: SecureContext } {
  return Object.keys(tls).length === 0 ? {} : { secureContext: secureContextOf(tls) }
}

function optionsOf({ ca, certificate, key }: ClientTls): SecureContextOptions {
  return {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(certificate === undefined ? {} : { cert: pem(certificate) }),
    ...(key === undefined ? {} : { key: pem(key) }),
  }
}

function pem(given: string | Uint8Array): string | Buffer {
  return typeof given === 'string' ? given : Buffer.from(given)
}
