/** `--model-control poll` and `watch`: a server that follows the files it serves. */
import { watch, type FSWatcher } from 'node:fs'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { systemTimers } from '../repository/timers.ts'
import type { ServeConfig } from './config.ts'
import type { ModelFinder } from './configured-models.ts'
import type { ModelLoader } from './model-loader.ts'
import { RepositoryPoll } from './repository-poll.ts'

/** After the last change that the system has told of. */
const settleMs = 500
/** Between the two looks that must agree, while the system tells of changes. */
const againMs = 1000
/** Changes on file systems of the network are not told: looked for all the same. */
const anywayMs = 60_000

/** What follows the files of one server. */
export interface FileFollower {
  readonly poll: RepositoryPoll
  start(): void
  close(): Promise<void>
}

/** @returns undefined where nobody asked for it */
export function followFiles(
  { modelControl, pollSeconds }: Pick<ServeConfig, 'modelControl' | 'pollSeconds'>,
  { finder, loader, log }: { readonly finder: ModelFinder; readonly loader: ModelLoader; readonly log: Log },
): FileFollower | undefined {
  if (modelControl !== 'poll' && modelControl !== 'watch') return undefined
  const isWatching = modelControl === 'watch'
  const poll = new RepositoryPoll({
    find: finder.all,
    apply: (name, sources, changed) => loader.apply(name, sources, changed),
    log,
    timers: systemTimers,
    everyMs: isWatching ? anywayMs : pollSeconds * 1000,
    againMs: isWatching ? againMs : pollSeconds * 1000,
  })
  const watchers: FSWatcher[] = []
  return {
    poll,
    start: () => {
      poll.start()
      if (isWatching) for (const root of finder.roots) watchPath(root, () => poll.hurry(settleMs), watchers, log)
    },
    close: async () => {
      for (const watcher of watchers) watcher.close()
      await poll.close()
    },
  }
}

function watchPath(path: string, changed: () => void, watchers: FSWatcher[], log: Log): void {
  const warn = (reason: unknown): void =>
    log.warn(
      { path, reason: messageOf(reason) },
      `changes are not told, the path is looked at every ${anywayMs / 1000} s`,
    )
  try {
    const watcher = watch(path, { recursive: true, persistent: false }, changed)
    watcher.on('error', warn)
    watchers.push(watcher)
  } catch (reason) {
    warn(reason)
  }
}
