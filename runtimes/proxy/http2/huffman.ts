/** The Huffman code of header fields (RFC 7541, appendix B): it is canonical, so the lengths tell all of it. */

/** Bits of the code of each byte. */
const lengths = `13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26`
  .split(/\s/)
  .map(Number)

/** Key: the code behind a one, so that codes of different lengths differ. */
const symbols = new Map<number, number>()
{
  const order = lengths.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length)
  let code = 0
  let last = 0
  for (const { length, symbol } of order) {
    code *= 2 ** (length - last)
    last = length
    symbols.set(2 ** length + code, symbol)
    code += 1
  }
}

/** @returns undefined where the bytes are no text of the code */
export function unhuffman(bytes: Uint8Array): string | undefined {
  let text = ''
  let key = 1
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      key = key * 2 + ((byte >> bit) & 1)
      if (key >= 0x7fff_ffff) return undefined
      const symbol = symbols.get(key)
      if (symbol === undefined) continue
      text += String.fromCharCode(symbol)
      key = 1
    }
  }
  // What is left is at most seven ones.
  return key < 256 && (key & (key + 1)) === 0 ? text : undefined
}
