/** A session that is opened again on another backend where the first one cannot compute the model. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { Batch, PlacedSession, Tensor } from '../../src/runtime/index.ts'

/** Opens the other session; told why the first one will not do. */
export type OpenOther = (reason: InferenceError) => Promise<PlacedSession>

export class FallbackSession {
  #session: PlacedSession
  #openOther: OpenOther | undefined
  #opening: Promise<void> | undefined
  #listeners: ((reason: Error) => void)[] = []

  /** @param openOther absent where there is no other */
  constructor(session: PlacedSession, openOther: OpenOther | undefined) {
    this.#session = session
    this.#openOther = openOther
  }

  /** The one that runs now. */
  get session(): PlacedSession {
    return this.#session
  }

  /** Runs that the first session cannot compute run again in the second, which is opened once. */
  async run(batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]> {
    const session = this.#session
    try {
      return await session.run(batch, signal)
    } catch (reason) {
      if (!(reason instanceof InferenceError) || reason.code !== 'unimplemented') throw reason
      if (session === this.#session) {
        if (this.#openOther === undefined) throw reason
        this.#opening ??= this.#replace(this.#openOther, reason).finally(() => (this.#opening = undefined))
        await this.#opening
      }
      return this.#session.run(batch, signal)
    }
  }

  /** As that of a placed session, whichever of the two it happens to. */
  onFailure(listener: (reason: Error) => void): void {
    this.#listeners.push(listener)
    this.#session.onFailure?.(listener)
  }

  async close(): Promise<void> {
    await this.#session.close()
  }

  async #replace(openOther: OpenOther, reason: InferenceError): Promise<void> {
    const other = await openOther(reason)
    const first = this.#session
    for (const listener of this.#listeners) other.onFailure?.(listener)
    this.#session = other
    this.#openOther = undefined
    await first.close() // runs that wait there are answered before
  }
}
