/** Why a start failed, where a container runtime looks for it. */
import { appendFileSync, existsSync } from 'node:fs'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { ModelStatus } from '../repository/status.ts'

/** Kubernetes shows this file as the reason where a container ends. */
export function leaveTerminationMessage(file: string, failed: readonly ModelStatus[], log: Log): void {
  if (!existsSync(file)) return
  const lines = failed.map(({ ref, reason }) => `model '${ref.name}' version ${ref.version}: ${reason ?? 'failed'}\n`)
  try {
    appendFileSync(file, lines.join(''))
  } catch (reason) {
    log.warn({ file, reason: messageOf(reason) }, 'termination log not written')
  }
}
