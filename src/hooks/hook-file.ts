/** Files that a model's hooks are made of: they lie in the model's directory, links followed. */
import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative } from 'node:path'
import { InferenceError } from '../core/errors.ts'

/**
 * The real path of a hook's file.
 *
 * @param what how a message names it: `hook`, `labels`
 * @param path absolute
 * @param root the model's directory, or its file where it stands alone
 * @throws InferenceError `failed_precondition` where it is missing, no file, or outside of the model's directory
 */
export async function hookFile(what: string, path: string, root: string): Promise<string> {
  const real = await realpath(path).catch((cause: unknown) => {
    throw new InferenceError('failed_precondition', `${what}: ${path} does not exist`, { cause })
  })
  const way = relative(await realpath(root), real)
  if (/^\.\.([/\\]|$)/.test(way) || isAbsolute(way)) {
    throw new InferenceError('failed_precondition', `${what}: ${path} lies outside of the model's directory ${root}`)
  }
  if (!(await stat(real)).isFile()) throw new InferenceError('failed_precondition', `${what}: ${path} is no file`)
  return real
}
