/** How a server ends. */

/** `idle`: no call runs. `closed`: no connection is taken. */
export type ClosingStep = 'idle' | 'closed'

export interface CloseOptions {
  /** Another process serves the same ports: what still comes is answered, not refused. */
  readonly isReplaced?: boolean
  /** Connections that stay silent for so long may be cut, in milliseconds; at once where absent. */
  readonly quietMs?: number
  /** For processes that share the ports: told what has come about here, resolves when it has everywhere. */
  readonly together?: (step: ClosingStep) => Promise<void>
}

/** @returns whether `work` ended within the time */
export async function endsWithin(work: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds)
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
