/** What workers write, as one stream: whole lines only, so that no two of them mix. */
import type { Readable, Writable } from 'node:stream'

/** A line without an end is written once it grows beyond this; nobody reads such a line. */
const longestLine = 1024 * 1024

/**
 * Writes everything that comes in whole lines.
 *
 * @param onLines told of the lines before they are written
 */
export function forwardLines(source: Readable, target: Writable, onLines: (lines: string) => void = () => undefined) {
  let rest: Buffer = Buffer.alloc(0)
  const write = (bytes: Buffer): void => {
    if (bytes.length === 0) return
    onLines(bytes.toString('utf8'))
    target.write(bytes)
  }
  source.on('data', (chunk: Buffer) => {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = all.length > longestLine ? all.length : all.lastIndexOf(0x0a) + 1
    write(all.subarray(0, end))
    rest = all.subarray(end)
  })
  source.on('end', () => {
    if (rest.length > 0) write(Buffer.concat([rest, Buffer.from('\n')]))
  })
}

/** The last words of a process that are no log line: what a crash leaves behind. */
export class LastWords {
  #lines: string[] = []

  hear(text: string): void {
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('{'))
    this.#lines = [...this.#lines, ...lines].slice(-20)
  }

  /** The line that names an error; '' where there is none. */
  get text(): string {
    const telling = this.#lines.findLast((line) => /(\w*Error|Fatal|fatal error|FATAL ERROR|Assertion)\b.*:/.test(line))
    return (telling ?? '').trim().slice(0, 500)
  }

  /** The last line. */
  get last(): string {
    return (this.#lines.at(-1) ?? '').trim().slice(0, 500)
  }
}
