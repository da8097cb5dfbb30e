/** Tells how far a download is, often enough for a person and no oftener. */
import type { Log } from '../core/log.ts'

export interface Progress {
  /** As it may be shown. */
  readonly uri: string
  /** That have come. */
  readonly bytes: number
  /** That will have come at the end, where the store says so. */
  readonly totalBytes?: number
}

/** Between two callbacks, as a terminal may be written to. */
const callbackMs = 200
/** Between two lines of a log. */
const logMs = 5_000

export interface ProgressCount {
  /** Told once, before the first bytes; 0 where nobody knows. */
  readonly expect: (bytes: number) => void
  readonly add: (bytes: number) => void
}

export function progressOf(
  uri: string,
  log: Log,
  onProgress: ((progress: Progress) => void) | undefined,
): ProgressCount {
  let bytes = 0
  let totalBytes = 0
  let toldMs = performance.now()
  let loggedMs = toldMs
  return {
    expect: (expected) => {
      totalBytes = expected
      log.info({ uri, ...(expected === 0 ? {} : { bytes: expected }) }, 'downloading')
    },
    add: (more) => {
      bytes += more
      const now = performance.now()
      const isDone = totalBytes > 0 && bytes >= totalBytes
      const told = { uri, bytes, ...(totalBytes === 0 ? {} : { totalBytes }) }
      if (onProgress !== undefined && (isDone || now - toldMs >= callbackMs)) {
        toldMs = now
        onProgress(told)
      }
      if (now - loggedMs >= logMs) {
        loggedMs = now
        log.info(told, 'downloading')
      }
    },
  }
}
