/** Threads shared by many sessions. A thread starts when a session needs it and ends when it holds none. */
import { usableCpus } from './cpu.ts'
import { WorkerThread } from './worker-thread.ts'

/** Where sessions take a thread from and give it back to. */
export interface ThreadSource {
  /** The thread for one more session, started if need be. */
  take(): WorkerThread
  /** A session of that thread is closed. */
  release(thread: WorkerThread): Promise<void>
}

export class ThreadPool implements ThreadSource {
  readonly #size: () => number
  readonly #threads = new Set<WorkerThread>()

  /** @param size most threads at once; asked when a thread is taken */
  constructor(size: () => number) {
    this.#size = size
  }

  /** The thread with the fewest sessions, or a new one while there are fewer than `size` and none is empty. */
  take(): WorkerThread {
    let best: WorkerThread | undefined
    for (const thread of this.#threads) {
      if (thread.isDead) continue
      const isBetter =
        best === undefined ||
        thread.sessions < best.sessions ||
        (thread.sessions === best.sessions && thread.inFlight < best.inFlight)
      if (isBetter) best = thread
    }
    const mayGrow = this.#threads.size < Math.max(1, this.#size())
    if (best !== undefined && (best.sessions === 0 || !mayGrow)) return best
    const thread: WorkerThread = new WorkerThread(() => this.#threads.delete(thread))
    this.#threads.add(thread)
    return thread
  }

  async release(thread: WorkerThread): Promise<void> {
    if (thread.sessions > 0 || thread.isDead) return
    this.#threads.delete(thread)
    await thread.end()
  }
}

/** One thread per session, ended with it. */
export const ownThreads: ThreadSource = {
  take: () => new WorkerThread(),
  release: (thread) => thread.end(),
}

/** The pool that every session of this process shares: as many threads as usable CPUs. */
export const sharedPool = new ThreadPool(usableCpus)
