/** Imports a session module and opens a session. Used on both sides of the thread border. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Session, SessionModule } from './session.ts'

/**
 * @param module URL of a session file
 * @throws InferenceError `failed_precondition` where the module cannot be imported or exports no `open`; whatever `open`
 *   throws
 */
export async function openSession(module: string, options: unknown): Promise<Session> {
  const loaded = imported.get(module) ?? (await importModule(module))
  if (!isSessionModule(loaded)) {
    throw new InferenceError('failed_precondition', `session module '${module}' must export a function 'open'`)
  }
  imported.set(module, loaded)
  return loaded.open(options)
}

/** Even an import of what is there takes its time. */
const imported = new Map<string, SessionModule>()

async function importModule(module: string): Promise<unknown> {
  try {
    return await import(module)
  } catch (reason) {
    throw new InferenceError('failed_precondition', `cannot import session module '${module}': ${messageOf(reason)}`, {
      cause: reason,
    })
  }
}

function isSessionModule(module: unknown): module is SessionModule {
  return typeof module === 'object' && module !== null && 'open' in module && typeof module.open === 'function'
}
