/** Client libraries that are installed by who uses their store. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { codeOf } from './file-error.ts'

/**
 * @param specifier of the package
 * @param purpose for the message: `s3:// URIs`
 * @returns the package's module, which its user has to check
 * @throws InferenceError `failed_precondition` with the command to type where it is not installed
 */
export async function optionalPackage(specifier: string, purpose: string): Promise<unknown> {
  try {
    const module: unknown = await import(specifier)
    return module
  } catch (reason) {
    const isMissing = codeOf(reason) === 'ERR_MODULE_NOT_FOUND' && messageOf(reason).includes(`'${specifier}'`)
    throw new InferenceError(
      'failed_precondition',
      isMissing
        ? `${purpose} need a package that is not installed: npm install ${specifier}`
        : `${specifier} cannot be loaded: ${messageOf(reason)}`,
      { cause: reason },
    )
  }
}
