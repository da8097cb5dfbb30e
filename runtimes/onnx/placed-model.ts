/** An open model in its placement: what `predict` runs, and where. */
import type { Batch, Log, PlacedSession, Placement, Tensor } from '../../src/runtime/index.ts'
import { totalBytes } from '../../src/runtime/index.ts'

/** An inline run this long is a strike against staying on the main thread: the measurement was wrong. */
const strikeMs = 5
/** So many within {@link watchedRuns} runs are the model's own; a collection of garbage or a busy machine stretches one. */
const mostStrikes = 3
/**
 * Runs measured by processor time after one that was long by the clock, which does not tell a costly run from a thread that
 * had to wait for its core. Not all runs are: asking costs a tenth of a small one. More of them would add up the times in
 * which the process's other threads, the compiler's at first, had the core.
 */
const watchedRuns = 50

export interface Placed {
  readonly session: PlacedSession
  readonly placement: Placement
  readonly reason: string
  predict(batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]>
  close(): Promise<void>
}

export function placed(session: PlacedSession, reason: string): Placed {
  return {
    session,
    placement: session.placement,
    reason,
    predict: (batch, signal) => session.run(batch, signal),
    close: () => session.close(),
  }
}

export interface InlineOptions {
  /** Bytes of input above which a request runs in the pool. */
  readonly maxBytes: number
  readonly reason: string
  readonly log: Log
  readonly model: string
  /** Told once, when the model leaves the main thread. */
  readonly onDemotion?: (reason: string) => void
  /** Milliseconds; `performance.now` where absent. */
  readonly now?: () => number
  /** Milliseconds of processor time that this process has had; `process.cpuUsage` where absent. */
  readonly cpuNow?: () => number
}

function processMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Small requests run on the main thread, large ones in the pool; all of them there once several small ones took too long. */
export function inlineWithPool(inline: PlacedSession, pool: PlacedSession, options: InlineOptions): Placed {
  const { maxBytes, log, model, now = () => performance.now(), cpuNow = processMs } = options
  let isDemoted = false
  let strikes = 0
  let watched = 0
  const strike = (runMs: number): void => {
    strikes += 1
    if (strikes < mostStrikes || isDemoted) return
    isDemoted = true
    log.warn({ model, run_ms: runMs, placement: 'pool' }, 'moved off the main thread')
    options.onDemotion?.(`${strikes} inline runs took more than ${strikeMs} ms, the last one ${runMs.toFixed(1)} ms`)
  }
  const judge = (runMs: number): void => {
    const isLong = runMs > strikeMs
    if (watched > 0) {
      watched -= 1
      if (isLong) strike(runMs)
    } else if (isLong) {
      watched = watchedRuns
      strikes = 0
    }
  }
  return {
    session: inline,
    placement: 'inline',
    reason: options.reason,
    predict(batch, signal) {
      if (isDemoted || totalBytes(batch.inputs) > maxBytes) return pool.run(batch, signal)
      const clock = watched > 0 ? cpuNow : now
      const started = clock()
      const outputs = inline.run(batch, signal) // computes before it returns
      judge(clock() - started)
      return outputs
    },
    async close() {
      await Promise.all([inline.close(), pool.close()])
    },
  }
}
