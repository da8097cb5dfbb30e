/** Looks for the moment from which on nobody has used a model for a while. No timer is touched by a request. */
import type { Timers } from './timers.ts'

/** What is watched. */
export interface Watched {
  readonly isBusy: boolean
  /** When the last call ended, by the clock of the timers. */
  readonly lastUse: number
}

/**
 * @param idleMs without a call until `onIdle` is called, once
 * @returns ends the watch
 */
export function watchIdle(watched: Watched, idleMs: number, timers: Timers, onIdle: () => void): () => void {
  let cancel: () => void
  const look = (): void => {
    const leftMs = watched.isBusy ? idleMs : watched.lastUse + idleMs - timers.now()
    if (leftMs > 0) cancel = timers.after(leftMs, look)
    else onIdle()
  }
  cancel = timers.after(idleMs, look)
  return () => cancel()
}
