/** Imports a JavaScript file anew after it was changed, and takes `.js` without a package.json for what it is written as. */
import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'

/** In the URL of a file that must be read as an ES module whatever Node makes of its extension. */
const marker = 'servable-es-module'
const forceModule = `export const load = (url, context, next) =>
  next(url, new URL(url).searchParams.has('${marker}') ? { ...context, format: 'module' } : context)`

let isRegistered = false

/**
 * @param path absolute and real
 * @param stamp changes when the file does; the same stamp gives the module that is loaded already
 * @throws whatever the module throws, SyntaxError where it cannot be parsed
 */
export async function importModule(path: string, stamp: number): Promise<Readonly<Record<string, unknown>>> {
  const url = pathToFileURL(path)
  url.searchParams.set('changed', String(stamp))
  // CommonJS modules are cached by file, not by URL: an older one would come back after a change.
  Reflect.deleteProperty(createRequire(url).cache, path)
  try {
    return await namespaceOf(url)
  } catch (reason) {
    if (!isModuleTakenForScript(reason, path)) throw reason
  }
  if (!isRegistered) register(`data:text/javascript,${encodeURIComponent(forceModule)}`)
  isRegistered = true
  url.searchParams.set(marker, '')
  return namespaceOf(url)
}

async function namespaceOf(url: URL): Promise<Readonly<Record<string, unknown>>> {
  return (await import(url.href)) as Readonly<Record<string, unknown>> // a module namespace is a record of its exports
}

/** Node before 20.19 takes `.js` for CommonJS where no package.json says otherwise, and stumbles over `export`. */
function isModuleTakenForScript(reason: unknown, path: string): boolean {
  if (!(reason instanceof SyntaxError) || !path.endsWith('.js')) return false
  return /Unexpected token 'export'|Cannot use import statement|Cannot use 'import.meta'/.test(reason.message)
}
