/** A session that is opened by its first run: most models that run on the main thread never get a request that is too large for it. */
import type { PlacedSession, Placement } from '../../src/runtime/index.ts'

/** @param open asked again where it failed */
export function opensLater(placement: Placement, open: () => Promise<PlacedSession>): PlacedSession {
  let opening: Promise<PlacedSession> | undefined
  const opened = (): Promise<PlacedSession> => {
    opening ??= open().catch((reason: unknown) => {
      opening = undefined
      throw reason
    })
    return opening
  }
  return {
    placement,
    instances: 1,
    info: undefined,
    run: async (batch, signal, options) => (await opened()).run(batch, signal, options),
    close: async () => {
      const session = await opening?.catch(() => undefined) // told to who ran
      await session?.close()
    },
  }
}
