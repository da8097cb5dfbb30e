/** The signals by which a server is told to stop. */

export interface StopSignals {
  /** The first SIGTERM or SIGINT. */
  readonly stopped: Promise<NodeJS.Signals>
  /** What to do, before status 130, when Ctrl-C is pressed again. */
  onSecondInterrupt(listener: () => void): void
  /** SIGHUP, where it does not come from a terminal that closes: that stops. */
  onHangUp(listener: () => void): void
}

/** The first signal drains; a second Ctrl-C does not wait. There is a listener all the time: without one, a signal kills. */
export function listenForStop(): StopSignals {
  let interrupted = (): void => undefined
  let stop: (signal: NodeJS.Signals) => void = () => undefined
  const stopped = new Promise<NodeJS.Signals>((resolve) => (stop = resolve))
  let isFirst = true
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, (signal) => {
      if (isFirst) stop(signal)
      else if (signal === 'SIGINT') {
        interrupted()
        process.exit(130)
      }
      isFirst = false
    })
  }
  return {
    stopped,
    onSecondInterrupt: (listener) => (interrupted = listener),
    onHangUp: (listener) => {
      process.on('SIGHUP', (signal) => {
        if (process.stdin.isTTY) stop(signal)
        else listener()
      })
    },
  }
}
