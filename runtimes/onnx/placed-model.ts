/** An open model in its placement: what `predict` runs, and where. */
import type { Batch, Log, PlacedSession, Placement, Tensor } from '../../src/runtime/index.ts'
import { totalBytes } from '../../src/runtime/index.ts'

/**
 * A mean above this shows that the measurement at load was wrong. It is far above what an inline model may cost (50 µs), so
 * that threads of this process which compile or collect garbage, or a core that is taken away, do not show in it.
 */
const mostMeanMs = 2
/** Weight of the last run in the mean. */
const weight = 1 / 32
/** A single run counts for no more: three of these in a row are needed, one stall of the machine is not. */
const mostRunMs = 30

export interface Placed {
  readonly session: PlacedSession
  readonly placement: Placement
  readonly reason: string
  /** As of a model; undefined where nothing runs on the main thread (any more). */
  readonly inlineBytes?: number | undefined
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

/** Small requests run on the main thread, large ones in the pool; all of them there once small ones take too long as well. */
export function inlineWithPool(inline: PlacedSession, pool: PlacedSession, options: InlineOptions): Placed {
  const { maxBytes, log, model, now = () => performance.now() } = options
  let isDemoted = false
  let meanMs = 0
  const judge = (runMs: number): void => {
    meanMs += (Math.min(runMs, mostRunMs) - meanMs) * weight
    if (meanMs < mostMeanMs) return
    isDemoted = true
    log.warn({ model, run_ms: runMs, placement: 'pool' }, 'moved off the main thread')
    options.onDemotion?.(`inline runs took long, the last one ${runMs.toFixed(1)} ms`)
  }
  return {
    session: inline,
    placement: 'inline',
    reason: options.reason,
    get inlineBytes() {
      return isDemoted ? undefined : maxBytes
    },
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
