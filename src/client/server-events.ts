/** Server-sent events, as `generate_stream` and `infer_stream` answer: the data of each, and nothing else of them. */

/** Longer than any tensor that travels as text; a server that never ends its line must not fill the memory. */
const maxEventLength = 256 * 1024 * 1024

/**
 * The data of every event, the lines of one joined (HTML, 9.2.6). Comments and other fields are left out; `[DONE]`, with
 * which OpenAI's servers end, ends it.
 *
 * @throws RangeError where an event is longer than 256 Mi characters
 */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder()
  let [rest, data] = ['', '']
  let hasData = false
  for await (const chunk of chunks) {
    const text = decoder.decode(chunk, { stream: true })
    const isWithin = rest.length + data.length + text.length <= maxEventLength
    if (!isWithin) throw new RangeError('an event of the server is too long')
    if (!/[\r\n]/.test(text)) {
      rest += text
      continue
    }
    // A lone carriage return at the end may be half of a line break.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (hasData && data === '[DONE]') return
        if (hasData) yield data
        ;[data, hasData] = ['', false]
      } else if (line.startsWith('data:')) {
        const value = line.slice(line[5] === ' ' ? 6 : 5)
        data = hasData ? `${data}\n${value}` : value
        hasData = true
      }
    }
  }
  // An event that the server did not end with an empty line is complete where its line is.
  if (hasData && data !== '[DONE]') yield data
}
