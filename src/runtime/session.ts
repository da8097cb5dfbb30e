/** What lives in a placement: a module that opens sessions, and a session. */
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'

/** Native work behind three calls. Lives in one thread and never sees the server. */
export interface Session {
  /** Facts for whoever opened it; must survive a structured clone. */
  readonly info: unknown
  /**
   * Computes outputs. May block its thread. The inputs are its own to overwrite; the outputs are given away: a session
   * that keeps an output's buffer returns a copy.
   */
  run(batch: Batch): Promise<readonly Tensor[]> | readonly Tensor[]
  close(): Promise<void>
}

/** What a session file exports. `options` has crossed a thread border: it holds plain data. */
export interface SessionModule {
  open(options: unknown): Promise<Session>
}
