/** Runtimes of others: packages and files named by import specifier. */
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Runtime } from '../core/model.ts'
import { importRuntime, lazyRuntime } from './registry.ts'

/** `./file.js`, `../file.js`, `/file.js` or a `file:` URL: everything else is the name of a package. */
export function isFileSpecifier(specifier: string): boolean {
  return /^(\.{1,2}[/\\]|file:)/.test(specifier) || isAbsolute(specifier)
}

/**
 * The runtime that a package or file exports as its default.
 *
 * @param directory which relative files begin at, and from which packages are looked for
 * @throws InferenceError `failed_precondition` where there is none, or none of this version of the contract
 */
export function importPlugin(specifier: string, directory: string): Promise<Runtime> {
  return importRuntime({ name: specifier, specifier: urlOf(specifier, directory), ...advice(specifier) })
}

/**
 * The runtime that a model names: one that is installed here, else a package or file, which is imported when the model loads.
 *
 * @param registry its `forName` throws for names it does not know
 * @param directory as of {@link importPlugin}
 */
export function namedRuntime(name: string, directory: string, registry: { forName(name: string): Runtime }): Runtime {
  if (isFileSpecifier(name)) return lazyPlugin(name, directory)
  try {
    return registry.forName(name)
  } catch (reason) {
    return withReason(lazyPlugin(name, directory), reason)
  }
}

function lazyPlugin(specifier: string, directory: string): Runtime {
  return lazyRuntime({ name: specifier, formats: [], specifier: urlOf(specifier, directory), ...advice(specifier) })
}

/** A name that is neither: perhaps a runtime's, mistyped. */
function withReason(plugin: Runtime, unknown: unknown): Runtime {
  return {
    ...plugin,
    load: (spec, log, signal) =>
      plugin.load(spec, log, signal).catch((reason: unknown) => {
        if (!/Cannot find (package|module)/.test(messageOf(reason))) throw reason
        const text = `${messageOf(unknown)}; and no package of that name is installed (npm install ${plugin.name})`
        throw new InferenceError('failed_precondition', text, { cause: reason })
      }),
  }
}

function advice(specifier: string): { readonly install?: string } {
  return isFileSpecifier(specifier) ? {} : { install: `npm install ${specifier}` }
}

function urlOf(specifier: string, directory: string): string {
  if (specifier.startsWith('file:')) return specifier
  if (isFileSpecifier(specifier)) return pathToFileURL(resolve(directory, specifier)).href
  try {
    return pathToFileURL(createRequire(join(directory, 'package.json')).resolve(specifier)).href
  } catch {
    return specifier // packages for `import` alone, and those beside this one: Node's own search finds them
  }
}
