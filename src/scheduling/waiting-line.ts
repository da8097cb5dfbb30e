/** All requests of one model that wait: by level, in order of arrival, those of one kind together. */
import type { Bucket } from './bucket.ts'
import { Fifo } from './fifo.ts'
import type { Waiting } from './waiting.ts'

/** The requests of one kind and level. */
export class Lane {
  readonly bucket: Bucket
  /** 0 is served first. */
  readonly level: number
  readonly places = new Fifo<Waiting>()
  rows = 0

  constructor(bucket: Bucket, level: number) {
    this.bucket = bucket
    this.level = level
  }
}

export class WaitingLine {
  /** Per level the lanes that have or had someone. */
  readonly #levels: Lane[][]
  readonly #sizes: number[]
  #size = 0
  #rows = 0

  constructor(levels: number) {
    this.#levels = Array.from({ length: levels }, () => [])
    this.#sizes = this.#levels.map(() => 0)
  }

  /** Requests. */
  get size(): number {
    return this.#size
  }

  get rows(): number {
    return this.#rows
  }

  sizeOf(level: number): number {
    return this.#sizes[level] ?? 0
  }

  push(waiting: Waiting, level: number): void {
    const { bucket, rows } = waiting
    let lane = bucket.lanes[level]
    if (lane === undefined) bucket.lanes[level] = lane = new Lane(bucket, level)
    if (lane.places.size === 0) {
      const lanes = this.#levels[level]
      if (lanes !== undefined && !lanes.includes(lane)) lanes.push(lane)
    }
    waiting.lane = lane
    waiting.ticket = lane.places.push(waiting)
    this.#count(lane, 1, rows)
  }

  /** Takes the first of a lane. */
  shift(lane: Lane): Waiting | undefined {
    const waiting = lane.places.shift()
    if (waiting === undefined) return undefined
    waiting.lane = undefined
    this.#count(lane, -1, -waiting.rows)
    return waiting
  }

  /** Nothing happens where it has left already. */
  leave(waiting: Waiting): void {
    const { lane } = waiting
    if (lane === undefined) return
    waiting.lane = undefined
    lane.places.leave(waiting.ticket)
    this.#count(lane, -1, -waiting.rows)
  }

  /** The lane whose first request is next: of the best level the oldest, among those that are ready. */
  next(isReady: (lane: Lane, first: Waiting) => boolean): Lane | undefined {
    for (const lanes of this.#levels) {
      let best: Lane | undefined
      let oldest = Infinity
      for (let index = lanes.length - 1; index >= 0; index -= 1) {
        const lane = lanes[index]
        const first = lane?.places.first
        if (lane === undefined || first === undefined) lanes.splice(index, 1)
        else if (first.order < oldest && isReady(lane, first)) {
          best = lane
          oldest = first.order
        }
      }
      if (best !== undefined) return best
    }
    return undefined
  }

  /** The lanes whose requests come before a new one of a level. */
  *ahead(level: number): Iterable<Lane> {
    for (let index = 0; index <= level; index += 1) yield* this.#levels[index] ?? []
  }

  *[Symbol.iterator](): Iterator<Waiting> {
    for (const lanes of this.#levels) for (const lane of lanes) yield* lane.places
  }

  #count(lane: Lane, size: number, rows: number): void {
    this.#size += size
    this.#rows += rows
    this.#sizes[lane.level] = (this.#sizes[lane.level] ?? 0) + size
    lane.rows += rows
    lane.bucket.waitingRows += rows
  }
}
