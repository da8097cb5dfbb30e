/** The two ways to load a server: clients that wait for their answers, and requests that come when they come. */
import type { Account } from './account.ts'
import type { Lane, Transport } from './lane.ts'

/** Answers that are still to come after the last request may take this long. */
const graceMs = 10_000
/** Connections are opened so many at a time: a server's backlog is finite. */
const openedTogether = 32

export interface ClosedOptions {
  readonly clients: number
  readonly seconds: number
  /** No more requests than this, whatever the time. */
  readonly mostRequests?: number
}

/** Each client sends its next request when the answer to its last is there. */
export async function closedLoop(transport: Transport, account: Account, options: ClosedOptions): Promise<void> {
  const lanes = await openLanes(transport, options.clients)
  const end = performance.now() + options.seconds * 1000
  let left = options.mostRequests ?? Infinity
  await withGrace(end, (idle) => {
    const next = (lane: Lane): void => {
      const due = performance.now()
      if (due >= end || left <= 0) {
        if (account.running === 0) idle()
        return
      }
      left -= 1
      account.due(due)
      lane.send((outcome) => {
        const now = performance.now()
        account.ended(due, now, outcome, now < end)
        // A server that is gone breaks every request at once: that must not be a busy loop.
        if (outcome === 'broken') setTimeout(next, 1, lane)
        else next(lane)
      })
    }
    lanes.forEach(next)
  })
}

export interface OpenOptions {
  /** When requests are due, in milliseconds from the start, ascending. */
  readonly schedule: Float64Array
  readonly seconds: number
  readonly mostConnections: number
}

/** Connections that are open before the first request is due. */
const openedBefore = 64
/** A shorter gap is slept in naps: timers are no finer than a millisecond. */
const timerGapMs = 2
const napMs = 0.25

/**
 * Sends each request when it is due, whether or not earlier ones were answered. One that finds no free connection waits for
 * one; its latency counts from when it was due.
 */
export async function openLoop(transport: Transport, account: Account, options: OpenOptions): Promise<void> {
  const { schedule, seconds, mostConnections } = options
  const free = await openLanes(transport, Math.min(openedBefore, mostConnections))
  let lanes = free.length
  const start = performance.now()
  const end = start + seconds * 1000
  const waiting: number[] = []
  let served = 0
  let next = 0
  await withGrace(end, (idle) => {
    const send = (lane: Lane, due: number): void => {
      lane.send((outcome) => {
        const now = performance.now()
        account.ended(due, now, outcome, now < end)
        release(lane)
      })
    }
    const release = (lane: Lane): void => {
      const due = waiting[served]
      if (due === undefined) {
        free.push(lane)
        if (next === schedule.length && account.running === 0) idle()
        return
      }
      served += 1
      send(lane, due)
    }
    const arrive = (due: number, now: number): void => {
      account.due(due)
      const lane = free.pop()
      if (lane !== undefined) {
        account.sent(due, now)
        send(lane, due)
        return
      }
      waiting.push(due)
      if (lanes === mostConnections) account.starved()
      else {
        lanes += 1
        transport.open().then(release, () => (lanes -= 1)) // another connection will take it
      }
    }
    const turn = (): void => {
      const now = performance.now()
      for (let due = start + (schedule[next] ?? Infinity); due <= now; due = start + (schedule[next] ?? Infinity)) {
        next += 1
        arrive(due, now)
      }
      if (next < schedule.length) wake(turn, start + (schedule[next] ?? 0) - performance.now())
      else if (account.running === 0) idle()
    }
    turn()
  })
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Calls back in about so many milliseconds. Sockets are read between naps, and the core is left to others meanwhile. */
function wake(turn: () => void, inMs: number): void {
  if (inMs > timerGapMs) {
    setTimeout(turn, inMs - timerGapMs / 2)
    return
  }
  if (inMs > 0) Atomics.wait(sleeper, 0, 0, Math.min(inMs, napMs))
  setImmediate(turn)
}

async function openLanes(transport: Transport, count: number): Promise<Lane[]> {
  const lanes: Lane[] = []
  while (lanes.length < count) {
    const together = Math.min(openedTogether, count - lanes.length)
    lanes.push(...(await Promise.all(Array.from({ length: together }, () => transport.open()))))
  }
  return lanes
}

/** Waits until `work` calls back, and no longer than the grace after `end`. */
function withGrace(end: number, work: (idle: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(resolve, end - performance.now() + graceMs)
    work(() => {
      clearTimeout(limit)
      resolve()
    })
  })
}
