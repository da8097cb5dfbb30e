/** How a generator sends: over lanes, each of which carries one request at a time. */
import type { Outcome } from './account.ts'

export interface Lane {
  /** Sends the request once more. @param ended told once, never before this returns */
  send(ended: (outcome: Outcome) => void): void
}

export interface Transport {
  /** The outcome of a good answer. */
  readonly good: Outcome
  /** @throws Error where the server takes no connection */
  open(): Promise<Lane>
  /** Drops every connection; what runs ends as `broken`, or not at all. */
  close(): void
}
