import { describe, expect, it } from 'vitest'
import {
  bytesOf,
  dataTypes,
  decodeByteStrings,
  elementBytes,
  elementsOf,
  encodeByteStrings,
  isDataType,
} from '../../src/core/tensor.ts'

const text = (value: string) => new TextEncoder().encode(value)

describe('tensor bytes', () => {
  it('reads elements at every odd offset as at an even one', () => {
    for (const datatype of dataTypes) {
      if (datatype === 'BYTES') continue
      const width = elementBytes(datatype)
      const source = Uint8Array.from({ length: width * 3 }, (_, index) => (index * 37 + 11) % 256)
      for (let offset = 0; offset < 9; offset += 1) {
        const body = new Uint8Array(offset + source.length + 5)
        body.set(source, offset)
        const elements = elementsOf(datatype, body.subarray(offset, offset + source.length))
        expect(elements).toHaveLength(3)
        expect(Buffer.from(bytesOf(elements))).toEqual(Buffer.from(source))
      }
    }
  })

  it('does not copy where the offset is aligned', () => {
    const body = new Uint8Array(64)
    const elements = elementsOf('FP32', body.subarray(8, 24))
    expect(elements.buffer).toBe(body.buffer)
  })

  it('round-trips byte strings, empty ones too', () => {
    const strings = [text('a'), text(''), text('é\0'), Uint8Array.of(255, 0, 254)]
    expect(decodeByteStrings(encodeByteStrings(strings), 4, 'x').map((part) => [...part])).toEqual(
      strings.map((part) => [...part]),
    )
    expect(decodeByteStrings(new Uint8Array(0), 0, 'x')).toEqual([])
  })

  it('refuses cut lengths, cut strings and other counts', () => {
    const bytes = encodeByteStrings([text('ab'), text('c')])
    expect(() => decodeByteStrings(bytes, 3, "inference input 'X'")).toThrow(
      "expected 3 string elements for inference input 'X', got 2",
    )
    expect(() => decodeByteStrings(bytes, 1, 'x')).toThrow('unexpected number of string elements for x, expecting 1')
    expect(() => decodeByteStrings(bytes.subarray(0, 8), 2, 'x')).toThrow('incomplete string length indicator')
    expect(() => decodeByteStrings(bytes.subarray(0, 5), 1, 'x')).toThrow(
      'incomplete string data for x, expecting string of length 2 but only 1 bytes available',
    )
    expect(() => decodeByteStrings(Uint8Array.of(255, 255, 255, 255), 1, 'x')).toThrow('incomplete string data')
  })

  it('knows the datatypes and no other word', () => {
    expect(dataTypes).toHaveLength(14)
    for (const word of ['FP32', 'BYTES']) expect(isDataType(word)).toBe(true)
    for (const word of ['fp32', 'STRING', 'toString', '__proto__', '']) expect(isDataType(word)).toBe(false)
  })
})
