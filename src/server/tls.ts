/** The certificate and key that both doors use, from the files that the settings name. */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { TlsKeys } from '../core/tls.ts'
import type { ServeConfig } from './config.ts'

type TlsFiles = Pick<ServeConfig, 'tlsCertificate' | 'tlsKey' | 'tlsCa'>

/**
 * @returns undefined where no certificate is set
 * @throws InferenceError `invalid_argument` that names the setting and the file
 */
export function readTls({ tlsCertificate, tlsKey, tlsCa }: TlsFiles): TlsKeys | undefined {
  if (tlsCertificate === undefined || tlsKey === undefined) {
    const given = [
      ['--tls-certificate', tlsCertificate],
      ['--tls-key', tlsKey],
      ['--tls-ca', tlsCa],
    ] as const
    const [only] = given.filter(([, file]) => file !== undefined)
    if (only === undefined) return undefined
    throw invalid(`${only[0]} is set alone: TLS needs --tls-certificate and --tls-key`)
  }
  const certificate = readPem('--tls-certificate', tlsCertificate, 'a certificate', (pem) => new X509Certificate(pem))
  const key = readPem('--tls-key', tlsKey, 'a private key without a passphrase', (pem) => createPrivateKey(pem))
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
    throw invalid(`--tls-key: ${tlsKey} is not the key of the certificate in ${tlsCertificate}`)
  }
  checkUsable(certificate, key, tlsCertificate)
  if (tlsCa === undefined) return { certificate, key }
  return { certificate, key, ca: readPem('--tls-ca', tlsCa, 'a certificate', (pem) => new X509Certificate(pem)) }
}

function readPem(name: string, file: string, what: string, parse: (pem: Buffer) => unknown): Buffer {
  let pem: Buffer
  try {
    pem = readFileSync(file)
  } catch (reason) {
    throw invalid(`${name}: cannot read ${file}: ${messageOf(reason)}`, reason)
  }
  try {
    parse(pem)
    return pem
  } catch (reason) {
    throw invalid(`${name}: ${file} holds no PEM of ${what}`, reason)
  }
}

/** What only OpenSSL sees: a key too short for its security level, a broken chain behind the first certificate. */
function checkUsable(cert: Buffer, key: Buffer, file: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (reason) {
    throw invalid(`--tls-certificate: ${file} cannot be used: ${messageOf(reason)}`, reason)
  }
}

function invalid(message: string, cause?: unknown): InferenceError {
  return new InferenceError('invalid_argument', message, { cause })
}
