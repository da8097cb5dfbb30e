/** A queue, first in, first out, that one may leave from anywhere. Like {@link Bag} it leaves no chains of garbage. */

/** Empty places at the front before the rest moves up. */
const slack = 1024

export class Fifo<T> implements Iterable<T> {
  /** Taken and left places are undefined. */
  #places: (T | undefined)[] = []
  /** Index of the first place that may be taken. */
  #front = 0
  /** Ticket of the place at index 0. */
  #base = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns the ticket: what `leave` wants */
  push(item: T): number {
    this.#size += 1
    return this.#base + this.#places.push(item) - 1
  }

  /** The one who waits longest. */
  get first(): T | undefined {
    if (this.#size === 0) return undefined
    while (this.#places[this.#front] === undefined) this.#front += 1
    return this.#places[this.#front]
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let index = this.#front; index < this.#places.length; index += 1) {
      const item = this.#places[index]
      if (item !== undefined) yield item
    }
  }

  /** Takes the one who waits longest. */
  shift(): T | undefined {
    while (this.#front < this.#places.length) {
      const item = this.#places[this.#front]
      this.#places[this.#front] = undefined
      this.#front += 1
      if (item === undefined) continue
      this.#size -= 1
      this.#moveUp()
      return item
    }
    return undefined
  }

  /** Nothing happens where its turn has come already. */
  leave(ticket: number): void {
    const index = ticket - this.#base
    if (index < 0 || this.#places[index] === undefined) return
    this.#places[index] = undefined
    this.#size -= 1
    if (this.#size === 0) this.#moveUp()
  }

  #moveUp(): void {
    if (this.#size > 0 && (this.#front < slack || this.#front * 2 < this.#places.length)) return
    const gone = this.#size === 0 ? this.#places.length : this.#front
    this.#places.splice(0, gone)
    this.#base += gone
    this.#front = 0
  }
}
