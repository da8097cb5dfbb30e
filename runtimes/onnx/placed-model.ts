/** An open model in its placement: what `predict` runs, and where. */
import type { Batch, Log, PlacedSession, Placement, Tensor } from '../../src/runtime/index.ts'
import { totalBytes } from '../../src/runtime/index.ts'

/** An inline run this long is a strike against staying on the main thread: the measurement was wrong. */
const strikeMs = 5
/** Garbage collection or a busy machine may stretch a single run; so many within {@link strikeRuns} runs are the model's own. */
const mostStrikes = 3
const strikeRuns = 1000

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
}

/** Small requests run on the main thread, large ones in the pool; all of them there once several small ones took too long. */
export function inlineWithPool(inline: PlacedSession, pool: PlacedSession, options: InlineOptions): Placed {
  const { maxBytes, log, model, now = () => performance.now() } = options
  let isDemoted = false
  let strikes = 0
  let runsSinceStrike = 0
  const judge = (runMs: number): void => {
    runsSinceStrike += 1
    if (runMs <= strikeMs) return
    strikes = runsSinceStrike > strikeRuns ? 1 : strikes + 1
    runsSinceStrike = 0
    if (strikes < mostStrikes || isDemoted) return
    isDemoted = true
    log.warn({ model, run_ms: runMs, placement: 'pool' }, 'moved off the main thread')
    options.onDemotion?.(`${strikes} inline runs took more than ${strikeMs} ms, the last one ${runMs.toFixed(1)} ms`)
  }
  return {
    session: inline,
    placement: 'inline',
    reason: options.reason,
    predict(batch, signal) {
      if (isDemoted || totalBytes(batch.inputs) > maxBytes) return pool.run(batch, signal)
      const started = now()
      const outputs = inline.run(batch, signal) // computes before it returns
      judge(now() - started)
      return outputs
    },
    async close() {
      await Promise.all([inline.close(), pool.close()])
    },
  }
}
