/**
 * Things that come and go in any order, many thousand times a second.
 *
 * A Set or Map would do, but each time it grows or sheds its deleted entries it makes a new table and leaves the old one
 * pointing to it: once one of these is old, a collection of young garbage keeps all that follow, and everything in them.
 */
export class Bag<T> implements Iterable<T> {
  readonly #slots: (T | undefined)[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#slots.length - this.#free.length
  }

  /** @returns where it lies: what `take` wants */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#slots[slot] = item
    return slot
  }

  /** Takes out what lies in a slot; undefined where it is empty. */
  take(slot: number): T | undefined {
    const item = this.#slots[slot]
    if (item === undefined) return undefined
    this.#slots[slot] = undefined
    this.#free.push(slot)
    return item
  }

  /** Takes out everything. */
  drain(): readonly T[] {
    const items = [...this]
    this.#slots.length = 0
    this.#free.length = 0
    return items
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const item of this.#slots) if (item !== undefined) yield item
  }
}
