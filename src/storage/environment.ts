/** Variables that give settings and credentials, as KServe's storage initializer reads them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** What is there and not empty, under the first of the names that has it. */
export function variable(environment: Environment, ...names: readonly string[]): string | undefined {
  return names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== '')
}

/** `true`, `True`, `1`; undefined where the variable is not there. @throws InferenceError `invalid_argument` for another word */
export function booleanVariable(environment: Environment, name: string): boolean | undefined {
  const text = variable(environment, name)?.toLowerCase()
  if (text === undefined) return undefined
  if (['true', '1', 'yes', 'y', 't', 'on'].includes(text)) return true
  if (['false', '0', 'no', 'n', 'f', 'off'].includes(text)) return false
  throw new InferenceError('invalid_argument', `${name}: expected true or false`)
}

/** KServe's place for authorities of a cluster's own. */
const bundleDirectory = '/etc/ssl/custom-certs'

/**
 * The authorities to trust: those of a file that one of `names` gives, else of KServe's bundle, where there is one.
 *
 * @returns PEM; undefined for the system's own
 * @throws InferenceError `failed_precondition` where the file cannot be read
 */
export async function authorities(environment: Environment, ...names: readonly string[]): Promise<string | undefined> {
  const named = variable(environment, ...names)
  const hasBundle = variable(environment, 'CA_BUNDLE_CONFIGMAP_NAME') !== undefined
  const mounted = join(variable(environment, 'CA_BUNDLE_VOLUME_MOUNT_POINT') ?? bundleDirectory, 'cabundle.crt')
  const file = named ?? (hasBundle ? mounted : undefined)
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (reason) {
    throw new InferenceError('failed_precondition', `CA bundle: ${messageOf(reason)}`, { cause: reason })
  }
}
