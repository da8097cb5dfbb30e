/** Waiting for what changes. */

/** Conditions over state that tells of its changes by {@link check}. */
export class Conditions {
  readonly #waiting = new Set<() => void>()

  /** Looks at all conditions anew. */
  check(): void {
    for (const look of [...this.#waiting]) look()
  }

  /** Resolves once the condition holds. @throws what `fault` gives first */
  until(isThere: () => boolean, fault: () => Error | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const error = fault()
        if (error === undefined && !isThere()) return
        this.#waiting.delete(look)
        if (error === undefined) resolve()
        else reject(error)
      }
      this.#waiting.add(look)
      look()
    })
  }
}

/** Resolves after the time, or when the signal fires. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done, { once: true })
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}
