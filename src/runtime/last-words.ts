/** What a child process writes to its standard streams: handed on line by line, and the last lines kept. */
import type { Readable } from 'node:stream'

/** Enough for the assertion or the stack that comes before a crash. */
const mostLines = 8
/** A line is cut here: nobody reads more, and a process may write without any line break. */
const mostLineLength = 1000

export class LastWords {
  readonly #lines: string[] = []

  /** @param onLine told each line of the stream, without its line break */
  follow(stream: Readable, onLine: (line: string) => void): void {
    let rest = ''
    const tell = (line: string): void => {
      const text = line.trimEnd().slice(0, mostLineLength)
      if (text === '') return
      if (this.#lines.push(text) > mostLines) this.#lines.shift()
      onLine(text)
    }
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = (lines.pop() ?? '').slice(0, mostLineLength)
      for (const line of lines) tell(line)
    })
    stream.on('end', () => tell(rest))
    stream.on('error', () => undefined) // of a process that has ended, which is told elsewhere
  }

  /** One text, '' where nothing was said. */
  get text(): string {
    return this.#lines.join(' | ')
  }
}
