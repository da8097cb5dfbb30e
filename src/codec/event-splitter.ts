/** Cuts a stream of server-sent events into whole events, as bytes. Pure. */

const lineFeed = 10
const carriageReturn = 13
/** An event that is longer goes on in pieces: nothing is held without bound. */
const longestHeld = 1024 * 1024

export class EventSplitter {
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Line breaks in a row at the end of what was seen: a blank line ends an event. */
  #breaks = 0
  #wasReturn = false

  /** @returns the events that are now complete, each with the blank line that ends it */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const events: Uint8Array[] = []
    let from = 0
    for (let index = 0; index < chunk.length; index += 1) {
      if (!this.#endsEvent(chunk[index] ?? 0)) continue
      // The line feed of a CRLF belongs to the event as well.
      const end = this.#wasReturn && chunk[index + 1] === lineFeed ? index + 2 : index + 1
      events.push(this.#take(chunk.subarray(from, end)))
      from = end
      if (end === index + 2) index += 1
      this.#breaks = 0
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from))
    if (this.#heldBytes > longestHeld) events.push(this.#take(new Uint8Array(0)))
    return events
  }

  /** What came after the last whole event; empty where nothing did. */
  rest(): Uint8Array {
    return this.#take(new Uint8Array(0))
  }

  #endsEvent(byte: number): boolean {
    const isFeedOfReturn = byte === lineFeed && this.#wasReturn
    this.#wasReturn = byte === carriageReturn
    if (byte !== lineFeed && byte !== carriageReturn) this.#breaks = 0
    else if (!isFeedOfReturn) this.#breaks += 1
    return this.#breaks === 2
  }

  #hold(bytes: Uint8Array): void {
    this.#held.push(bytes)
    this.#heldBytes += bytes.byteLength
  }

  #take(last: Uint8Array): Uint8Array {
    if (this.#held.length === 0) return last
    const whole = Buffer.concat([...this.#held, last])
    this.#held = []
    this.#heldBytes = 0
    return whole
  }
}

/** The text of an event's `data` lines; undefined where it has none, as a comment that keeps a connection alive. */
export function eventData(event: Uint8Array): string | undefined {
  const text = Buffer.from(event.buffer, event.byteOffset, event.byteLength).toString()
  const lines = text.split(/\r\n|\n|\r/).flatMap((line) => {
    if (line === 'data') return ['']
    return line.startsWith('data:') ? [line.slice(line[5] === ' ' ? 6 : 5)] : []
  })
  return lines.length === 0 ? undefined : lines.join('\n')
}

/** An event of one value: JSON has no bare line breaks. */
export function encodeEvent(data: string): string {
  return `data: ${data}\n\n`
}
