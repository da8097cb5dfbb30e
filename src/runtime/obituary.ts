/** What those read whose model's process has died. */
import { InferenceError } from '../core/errors.ts'

/** Of a session that could not be opened. */
export function stillborn(name: string, how: string, lastWords: string): InferenceError {
  const words = lastWords === '' ? '' : `. Its last words: ${lastWords}`
  return new InferenceError('internal', `the process of model '${name}' ${how} while it opened the model${words}`)
}

/** Of a run that the process did not survive. */
export function obituary(
  { name, runTimeoutMs }: { readonly name: string; readonly runTimeoutMs: number },
  { how, isHung, isRestarted }: { readonly how: string; readonly isHung: boolean; readonly isRestarted: boolean },
): InferenceError {
  const next = isRestarted ? 'it is started again' : 'it is given up'
  if (isHung) {
    const text = `model '${name}' ran longer than its run_timeout_seconds (${runTimeoutMs / 1000}): its process was killed; ${next}`
    return new InferenceError('deadline_exceeded', text, { isFatal: true })
  }
  return new InferenceError('internal', `the process of model '${name}' ${how} while it ran this request; ${next}`, {
    isFatal: true,
  })
}
