/** Secrets and TLS of an upstream: read once, at load, from where the options point to. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { ProxyOptions, Secret } from './options.ts'
import type { Headers } from './wire.ts'

/** Headers that every request to an upstream carries, names in lower case. */
export async function ownHeaders({ headers, auth }: ProxyOptions, directory: string): Promise<Headers> {
  const own: Record<string, string> = {}
  for (const [name, given] of Object.entries(headers)) {
    own[name.toLowerCase()] = await textOf(given, `headers.${name}`, directory)
  }
  if (auth !== undefined) {
    if ('bearer' in auth) own['authorization'] = `Bearer ${await textOf(auth.bearer, 'auth.bearer', directory)}`
    else {
      const password = await textOf(auth.password, 'auth.password', directory)
      own['authorization'] = `Basic ${Buffer.from(`${auth.username}:${password}`).toString('base64')}`
    }
  }
  return own
}

async function textOf(given: Secret, option: string, directory: string): Promise<string> {
  const text = (await read(given, option, directory)).trim()
  if (text !== '' && /^[\x20-\x7e]*$/.test(text)) return text
  throw failed(`option '${option}' of runtime 'proxy': must be one line of visible letters`)
}

async function read(given: Secret, option: string, directory: string): Promise<string> {
  if (typeof given === 'string') return given
  if ('file' in given) return (await readNamed(given.file, option, directory)).toString('utf8')
  const value = process.env[given.env]
  if (value !== undefined && value !== '') return value
  throw failed(`option '${option}' of runtime 'proxy': the environment variable ${given.env} is not set`)
}

/** @throws InferenceError `failed_precondition` where a file cannot be read, is no PEM, or key and certificate do not fit */
export async function secureContext({ tls }: ProxyOptions, directory: string): Promise<SecureContext | undefined> {
  if (tls === undefined) return undefined
  const pem = async (name: 'ca' | 'certificate' | 'key'): Promise<Buffer | undefined> => {
    const path = tls[name]
    return path === undefined ? undefined : readNamed(path, `tls.${name}`, directory)
  }
  const [ca, cert, key] = [await pem('ca'), await pem('certificate'), await pem('key')]
  try {
    return createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
  } catch (reason) {
    throw failed(`option 'tls' of runtime 'proxy': the files cannot be used: ${messageOf(reason)}`, reason)
  }
}

async function readNamed(path: string, option: string, directory: string): Promise<Buffer> {
  try {
    return await readFile(resolve(directory, path))
  } catch (reason) {
    throw failed(`option '${option}' of runtime 'proxy': ${messageOf(reason)}`, reason)
  }
}

function failed(message: string, cause?: unknown): InferenceError {
  return new InferenceError('failed_precondition', message, { cause })
}
