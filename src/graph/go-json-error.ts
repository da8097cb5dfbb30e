/** What Go's encoding/json says of a text that is no JSON: messages of KServe's router contain it. */

type State = 'value' | 'valueOrEnd' | 'key' | 'keyOrEnd' | 'colon' | 'afterMember' | 'afterElement' | 'end'

const unexpectedEnd = 'unexpected end of JSON input'
/** What Go's scanner takes the end of the text for, within anything but a string. */
const atEnd = ' '

/** Go's error for a text that `JSON.parse` refuses. */
export function syntaxErrorOf(text: string): string {
  const closers: string[] = []
  let state: State = 'value'
  for (let pos = 0; pos < text.length;) {
    const char = text.charAt(pos)
    if (/[ \t\r\n]/.test(char)) {
      pos += 1
      continue
    }
    const complaint = complaintAt(state, char, closers)
    if (complaint !== undefined) return invalid(char, complaint)
    if (char === '{' || char === '[') {
      closers.push(char === '{' ? '}' : ']')
      state = char === '{' ? 'keyOrEnd' : 'valueOrEnd'
    } else if (char === '}' || char === ']') {
      closers.pop()
      state = afterValue(closers)
    } else if (char === ',') state = state === 'afterMember' ? 'key' : 'value'
    else if (char === ':') state = 'value'
    else {
      const scalar = scanScalar(text, pos)
      if (typeof scalar === 'string') return scalar
      state = afterScalar(state, closers)
      pos = scalar
      continue
    }
    pos += 1
  }
  return unexpectedEnd
}

function afterValue(closers: readonly string[]): State {
  const closer = closers[closers.length - 1]
  return closer === undefined ? 'end' : closer === '}' ? 'afterMember' : 'afterElement'
}

function afterScalar(before: State, closers: readonly string[]): State {
  return before === 'key' || before === 'keyOrEnd' ? 'colon' : afterValue(closers)
}

/** Where a character was met that cannot stand there. */
function complaintAt(state: State, char: string, closers: readonly string[]): string | undefined {
  const closes = char === closers[closers.length - 1]
  switch (state) {
    case 'value':
    case 'valueOrEnd':
      if (state === 'valueOrEnd' && closes) return undefined
      return /["{[\-\dtfn]/.test(char) ? undefined : 'looking for beginning of value'
    case 'key':
    case 'keyOrEnd':
      if (state === 'keyOrEnd' && closes) return undefined
      return char === '"' ? undefined : 'looking for beginning of object key string'
    case 'colon':
      return char === ':' ? undefined : 'after object key'
    case 'afterMember':
      return char === ',' || closes ? undefined : 'after object key:value pair'
    case 'afterElement':
      return char === ',' || closes ? undefined : 'after array element'
    case 'end':
      return 'after top-level value'
  }
}

/** After a string, a number or a word; Go's error where it is none. */
function scanScalar(text: string, start: number): number | string {
  const first = text.charAt(start)
  if (first === '"') return scanString(text, start + 1)
  if (/[-\d]/.test(first)) return scanNumber(text, start)
  const word = first === 't' ? 'true' : first === 'f' ? 'false' : 'null'
  for (let index = 1; index < word.length; index += 1) {
    const char = text[start + index] ?? atEnd
    if (char !== word[index]) return invalid(char, `in literal ${word} (expecting '${word.charAt(index)}')`)
  }
  return start + word.length
}

function scanString(text: string, start: number): number | string {
  for (let pos = start; pos < text.length; pos += 1) {
    const char = text.charAt(pos)
    if (char === '"') return pos + 1
    if (char < ' ') return invalid(char, 'in string literal')
    if (char !== '\\') continue
    pos += 1
    const letter = text[pos] ?? atEnd
    if (!'"\\/bfnrtu'.includes(letter)) return invalid(letter, 'in string escape code')
    for (let digits = 0; letter === 'u' && digits < 4; digits += 1) {
      pos += 1
      const digit = text[pos] ?? atEnd
      if (!/[\da-f]/i.test(digit)) return invalid(digit, 'in \\u hexadecimal character escape')
    }
  }
  return unexpectedEnd
}

function scanNumber(text: string, start: number): number | string {
  let pos = text[start] === '-' ? start + 1 : start
  const digits = (where: string): string | undefined => {
    const char = text[pos] ?? atEnd
    if (!/\d/.test(char)) return invalid(char, where)
    while (/\d/.test(text[pos] ?? '')) pos += 1
    return undefined
  }
  if (text[pos] === '0') pos += 1
  else {
    const fault = digits('in numeric literal')
    if (fault !== undefined) return fault
  }
  if (text[pos] === '.') {
    pos += 1
    const fault = digits('after decimal point in numeric literal')
    if (fault !== undefined) return fault
  }
  if (/[eE]/.test(text[pos] ?? '')) {
    pos += /[+-]/.test(text[pos + 1] ?? '') ? 2 : 1
    const fault = digits('in exponent of numeric literal')
    if (fault !== undefined) return fault
  }
  return pos
}

function invalid(char: string, where: string): string {
  return `invalid character ${quoted(char)} ${where}`
}

const named: Readonly<Record<string, string>> = {
  "'": `'\\''`,
  '"': `'"'`,
  '\\': `'\\\\'`,
  '\b': `'\\b'`,
  '\f': `'\\f'`,
  '\n': `'\\n'`,
  '\r': `'\\r'`,
  '\t': `'\\t'`,
  '\v': `'\\v'`,
  '\x07': `'\\a'`,
}

/** As Go shows the one byte it looked at. */
function quoted(char: string): string {
  const isAstral = char >= '\ud800' && char <= '\udfff'
  const [byte = 0] = isAstral ? [0xf0] : Buffer.from(char, 'utf8')
  const plain = byte < 0x20 || byte === 0x7f ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte)
  return named[char] ?? `'${plain}'`
}
