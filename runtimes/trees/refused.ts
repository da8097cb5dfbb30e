/** The error of a file that is not served. */
import { InferenceError } from '../../src/runtime/index.ts'

/** @param what is wrong with the file; its name is put before when it is known */
export function refused(what: string): InferenceError {
  return new InferenceError('failed_precondition', what)
}
