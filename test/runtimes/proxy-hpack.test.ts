/** Header blocks: the examples of RFC 7541, appendix C, what node:http2 reads of ours, and what is broken. */
import { describe, expect, it } from 'vitest'
import { HpackDecoder } from '../../runtimes/proxy/http2/hpack-decoder.ts'
import { HpackEncoder, literals } from '../../runtimes/proxy/http2/hpack-encoder.ts'
import type { Field } from '../../runtimes/proxy/http2/hpack-static.ts'
import { unhuffman } from '../../runtimes/proxy/http2/huffman.ts'

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
const get = (authority: string, ...more: Field[]): Field[] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', authority],
  ...more,
]
const custom: Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/index.html'],
  [':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
]
const date = 'Mon, 21 Oct 2013 20:13:21 GMT'
const found = (status: string, at = date, ...more: Field[]): Field[] => [
  [':status', status],
  ['cache-control', 'private'],
  ['date', at],
  ['location', 'https://www.example.com'],
  ...more,
]

describe('requests of RFC 7541', () => {
  it.each([
    [
      'C.3, as they are',
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    [
      'C.4, in the Huffman code',
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
  ])('%s', (_where, first, second, third) => {
    const decoder = new HpackDecoder(4096)
    expect(decoder.decode(hex(first))).toEqual(get('www.example.com'))
    expect(decoder.decode(hex(second))).toEqual(get('www.example.com', ['cache-control', 'no-cache']))
    expect(decoder.decode(hex(third))).toEqual(custom)
  })

  it('C.2: each kind of literal', () => {
    const decode = (text: string) => new HpackDecoder(4096).decode(hex(text))
    expect(decode('400a637573746f6d2d6b65790d637573746f6d2d686561646572')).toEqual([['custom-key', 'custom-header']])
    expect(decode('040c2f73616d706c652f70617468')).toEqual([[':path', '/sample/path']])
    expect(decode('100870617373776f726406736563726574')).toEqual([['password', 'secret']])
    expect(decode('82')).toEqual([[':method', 'GET']])
  })
})

it('drops entries where the table is full, as in RFC 7541, C.6', () => {
  const decoder = new HpackDecoder(4096)
  // The examples have a table of 256 bytes: the first block says so.
  const first = `3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff
    6e919d29ad171863c78f0b97c8e9ae82ae43d3`
  expect(decoder.decode(hex(first))).toEqual(found('302'))
  expect(decoder.decode(hex('4883640effc1c0bf'))).toEqual(found('307'))
  const third = `88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960
    d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007`
  expect(decoder.decode(hex(third))).toEqual(
    found(
      '200',
      'Mon, 21 Oct 2013 20:13:22 GMT',
      ['content-encoding', 'gzip'],
      ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
    ),
  )
})

describe('a block is refused that', () => {
  it.each([
    ['names an entry that is not there', 'be'],
    ['names entry 0', '80'],
    ['ends within a number', 'ff'],
    ['has a number without an end', 'ffffffffffffffffff01'],
    ['ends within a text', '400a6375'],
    ['has a text longer than all', '007f ffffff7f 61'],
    ['ends behind a name', '000161'],
    ['ends its Huffman code with zeros', '0001618100'],
    ['holds the end of all Huffman codes', '00016184ffffffff'],
    ['changes the size of its table within', '8220'],
    ['asks for a table that is too large', '3fe21f'],
  ])('%s', (_what, block) => {
    expect(() => new HpackDecoder(4096).decode(hex(block))).toThrow(/cannot be read/)
  })

  it('is a bomb: one large entry, named again and again', () => {
    const entry = Buffer.concat([hex('400161 7f9d1e'), Buffer.alloc(3996, 97)])
    const block = Buffer.concat([entry, Buffer.alloc(1000, 0xbe)])
    expect(() => new HpackDecoder(65_536).decode(block)).toThrow(/more than 65536 bytes/)
  })
})

it('reads no Huffman code that ends with a byte of ones', () => {
  expect(unhuffman(hex('1fff'))).toBeUndefined()
  expect(unhuffman(hex('1f'))).toBe('a')
})

describe('what is written', () => {
  const fixed: readonly Field[] = get('example:8001', ['te', 'trailers'], ['content-type', 'application/grpc'])
  const other: readonly Field[] = get('example:8001', ['te', 'trailers'], ['x-other', 'y'.repeat(200)])

  it('is read again, block after block, and takes less from the second on', () => {
    const [encoder, decoder] = [new HpackEncoder(), new HpackDecoder(65_536)]
    const lengths = [fixed, fixed, other, fixed, other, fixed].map((fields) => {
      const block = Buffer.concat([encoder.encode(fields), literals([['x-a', 'ü'.repeat(150)]])])
      expect(decoder.decode(block)).toEqual([...fields, ['x-a', 'ü'.repeat(150)]])
      return block.length
    })
    expect(lengths[1]).toBeLessThan((lengths[0] ?? 0) - 40)
    expect(lengths[5]).toBe(lengths[1])
  })

  it.each([0, 60, 100, 4096])('keeps to a peer with a table of %i bytes', (bytes) => {
    const [encoder, decoder] = [new HpackEncoder(), new HpackDecoder(65_536)]
    for (const fields of [fixed, other, fixed]) expect(decoder.decode(encoder.encode(fields))).toEqual(fields)
    encoder.peerTableBytes = bytes
    for (const fields of [fixed, fixed, other, fixed]) expect(decoder.decode(encoder.encode(fields))).toEqual(fields)
  })

  it('is never indexed where it is secret', () => {
    expect((literals([['authorization', 'Bearer x']])[0] ?? 0) >> 4).toBe(1)
    expect((literals([['x-request-id', 'x']])[0] ?? 0) >> 4).toBe(0)
  })
})
