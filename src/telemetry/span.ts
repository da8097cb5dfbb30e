/** One span: a part of a request and the time that it took. */
import type { TraceContext } from '../core/trace-context.ts'

export interface Span {
  readonly context: TraceContext
  readonly name: string
  /** Who asked: a caller over the wire, this process, or this process of a service elsewhere. */
  readonly kind: 'server' | 'internal' | 'client'
  /** Milliseconds since 1970. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, string | number | undefined>>
  /** Why it failed; absent where it did not. */
  readonly error?: string | undefined
}
