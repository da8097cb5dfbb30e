/** Where the packages of TensorFlow.js are, or the command that installs them. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { InferenceError } from '../../src/runtime/index.ts'

/** Files to import, plain data: they are loaded where the session lives. */
export interface Packages {
  readonly core: string
  readonly layers: string
  readonly converter: string
  readonly cpu: string
  /** Absent where it is not installed. */
  readonly wasm?: string
}

const needed = ['core', 'layers', 'converter', 'backend-cpu'] as const
const packageOf = (part: string): string => `@tensorflow/tfjs-${part}`
const install = `npm install ${[...needed, 'backend-wasm'].map(packageOf).join(' ')}`

/**
 * Packages that can be found from here or from where the server was started, also those that `@tensorflow/tfjs` brings;
 * NODE_PATH counts.
 *
 * @param find the file of a package, undefined where it is not installed
 * @throws InferenceError `failed_precondition` with the command to type
 */
export function findPackages(find: (name: string) => string | undefined = installed): Packages {
  const [core, layers, converter, cpu] = needed.map((part) => find(packageOf(part)))
  if (core === undefined || layers === undefined || converter === undefined || cpu === undefined) {
    const missing = needed.map(packageOf).filter((name) => find(name) === undefined)
    const text = `TensorFlow.js models need ${missing.join(', ')}, not installed here. Install: ${install}`
    throw new InferenceError('failed_precondition', text)
  }
  const wasm = find(packageOf('backend-wasm'))
  return { core, layers, converter, cpu, ...(wasm === undefined ? {} : { wasm }) }
}

function installed(name: string): string | undefined {
  const places = [import.meta.url, join(process.cwd(), 'package.json')]
  const whole = places.flatMap((place) => resolved('@tensorflow/tfjs', place) ?? [])
  for (const place of [...places, ...whole]) {
    const found = resolved(name, place)
    if (found !== undefined) return found
  }
  return undefined
}

function resolved(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name)
  } catch {
    return undefined // not there: the next place
  }
}
