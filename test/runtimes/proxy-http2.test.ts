/** The proxy's HTTP/2 against node:http2, and against peers that send nonsense. */
import { once } from 'node:events'
import { createServer, type Http2Server, type Settings } from 'node:http2'
import { connect, type AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Call, Failure } from '../../runtimes/proxy/http2/call.ts'
import { Http2Connection } from '../../runtimes/proxy/http2/connection.ts'
import { flag, frameType, preface, settingsPayload, turnsTogether } from '../../runtimes/proxy/http2/frames.ts'
import { literals } from '../../runtimes/proxy/http2/hpack-encoder.ts'
import type { Field } from '../../runtimes/proxy/http2/hpack-static.ts'

const fixed: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/p'],
]

interface Ended {
  readonly bytes: Buffer
  readonly fields: readonly Field[]
  readonly failure: Failure | undefined
}

interface Started {
  readonly call: Call
  readonly ended: Promise<Ended>
}

function start(connection: Http2Connection, body: readonly Uint8Array[], more: readonly Field[] = []): Started {
  let call: Call | undefined
  const ended = new Promise<Ended>((resolve) => {
    const parts: Buffer[] = []
    const fields: Field[] = []
    call = connection.request(
      { fixed, more: literals(more), body },
      {
        head: (given) => void fields.push(...given),
        data: (bytes) => {
          parts.push(Buffer.from(bytes))
          call?.consumed(bytes.length)
        },
        end: (failure) => resolve({ bytes: Buffer.concat(parts), fields, failure }),
      },
    )
  })
  if (call === undefined) throw new Error('no call')
  return { call, ended }
}

async function connected(port: number): Promise<Http2Connection> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return new Promise((resolve, reject) => {
    const connection: Http2Connection = new Http2Connection(socket, {
      ready: () => resolve(connection),
      lost: (why) => reject(new Error(why)),
    })
    onTestFinished(() => connection.close())
  })
}

/** A server of node:http2 that sends back what it gets, and its port. */
async function echo(settings: Settings): Promise<{ server: Http2Server; port: number }> {
  const server = createServer({ settings, maxSessionMemory: 1000 })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    stream.respond({ ':status': 200, 'x-echo': headers['x-say'] ?? '' })
    stream.pipe(stream)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return { server, port: (server.address() as AddressInfo).port } // of a TCP server
}

describe('a server of node:http2', () => {
  it.each<Settings>([
    { initialWindowSize: 100, maxConcurrentStreams: 3 },
    { headerTableSize: 0, maxFrameSize: 100_000 },
    { initialWindowSize: 2 ** 31 - 1 },
  ])('with %j gets its bodies, and we its answers', async (settings) => {
    const { port } = await echo(settings)
    const connection = await connected(port)
    const bodies = Array.from({ length: 20 }, (_, index) => Buffer.alloc(5_000 + index * 1_000, index))
    const answers = await Promise.all(
      bodies.map((body, index) => start(connection, [Buffer.from('>'), body], [['x-say', `${index}`]]).ended),
    )
    expect(answers.map(({ failure }) => failure)).toEqual(bodies.map(() => undefined))
    expect(answers.every(({ bytes }, at) => bytes.subarray(1).equals(bodies[at] ?? Buffer.of()))).toBe(true)
    expect(answers.map(({ fields }) => new Map(fields).get('x-echo'))).toEqual(bodies.map((_, index) => `${index}`))
  })

  it('gets headers that take several frames', async () => {
    const { port } = await echo({})
    const connection = await connected(port)
    const long = 'x'.repeat(40_000)
    const { fields, failure } = await start(connection, [], [['x-say', long]]).ended
    expect([failure, new Map(fields).get('x-echo') === long]).toEqual([undefined, true])
  })

  it('is told where a call is cancelled, also one that waits', async () => {
    const { server, port } = await echo({ maxConcurrentStreams: 1 })
    const connection = await connected(port)
    const opened = once(server, 'stream')
    const [first, second] = [start(connection, [Buffer.alloc(200_000)]), start(connection, [Buffer.of(1)])]
    const [stream] = (await opened) as [{ rstCode: number; once: (name: string, told: () => void) => void }] // of the event
    const closed = new Promise<void>((resolve) => stream.once('close', resolve))
    second.call.cancel()
    first.call.cancel()
    expect((await first.ended).failure).toMatchObject({ message: 'cancelled', neverRan: false })
    expect((await second.ended).failure).toMatchObject({ message: 'cancelled', neverRan: true })
    await closed
    expect(stream.rstCode).toBe(8)
    expect((await start(connection, [Buffer.from('again')]).ended).bytes.toString()).toBe('again')
  })
})

function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.byteLength, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const hello = frame(frameType.settings, 0, 0)
const ok = literals([[':status', '200']])
const answer = [
  frame(frameType.headers, flag.endHeaders, 1, ok),
  frame(frameType.data, 0, 1, Buffer.from('hello')),
  frame(frameType.headers, flag.endHeaders | flag.endStream, 1, literals([['grpc-status', '0']])),
]

/** A connection with one call, whose peer says what it is told. */
function open(first: Uint8Array = hello) {
  const sent: Buffer[] = []
  const peer = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      sent.push(chunk)
      done()
    },
  })
  let why = ''
  const connection = new Http2Connection(peer, { ready: () => undefined, lost: (reason) => (why = reason) })
  const say = (...chunks: readonly Uint8Array[]): void => chunks.forEach((chunk) => void peer.emit('data', chunk))
  say(first)
  const { call, ended } = start(connection, [Buffer.from('body')])
  return { connection, call, ended, say, sent: () => Buffer.concat(sent), why: () => why }
}

/** After it everything is sent. */
async function turn(): Promise<void> {
  for (let count = 0; count <= turnsTogether; count += 1) await new Promise((resolve) => setImmediate(resolve))
}

describe('an answer', () => {
  it('is read wherever it is split', async () => {
    const all = Buffer.concat([hello, ...answer])
    for (let at = 0; at <= all.length; at += 1) {
      const { ended, say } = open(Buffer.alloc(0))
      say(all.subarray(0, at), all.subarray(at))
      expect(await ended).toMatchObject({ failure: undefined, bytes: Buffer.from('hello') })
    }
  })

  it('may be padded, interrupted by frames that nobody knows, and begin with an interim one', async () => {
    const { ended, say } = open()
    const padded = Buffer.concat([Buffer.of(2), Buffer.from('hi'), Buffer.alloc(2)])
    say(
      frame(frameType.headers, flag.endHeaders, 1, literals([[':status', '103']])),
      frame(frameType.headers, flag.priority, 1, Buffer.alloc(5)),
      frame(frameType.continuation, flag.endHeaders, 1, ok),
      frame(frameType.priority, 0, 1, Buffer.alloc(5)),
      frame(0xfe, 255, 1, Buffer.from('what')),
      frame(frameType.data, flag.padded | flag.endStream, 1, padded),
    )
    expect(await ended).toMatchObject({ failure: undefined, bytes: Buffer.from('hi'), fields: [[':status', '200']] })
  })

  it('in other streams than those of a GOAWAY never comes: nothing ran there', async () => {
    const { ended, say } = open()
    await turn()
    say(frame(frameType.goAway, 0, 0, Buffer.alloc(8)))
    expect((await ended).failure).toMatchObject({ neverRan: true, isGone: true })
  })

  it('still comes after a GOAWAY that knows its stream, then the connection ends', async () => {
    const { ended, say, connection } = open()
    say(frame(frameType.goAway, 0, 0, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])))
    expect((await start(connection, []).ended).failure).toMatchObject({ neverRan: true, isGone: true })
    say(...answer)
    expect((await ended).failure).toBeUndefined()
  })

  it.each([
    [7, true],
    [8, false],
  ])('that is reset with code %i has certainly not run: %s', async (code, neverRan) => {
    const { ended, say } = open()
    await turn()
    say(frame(frameType.reset, 0, 1, Buffer.from([0, 0, 0, code])))
    expect((await ended).failure).toMatchObject({ neverRan, isGone: false })
  })

  it('that never comes has certainly not run where nothing was sent', async () => {
    const [unsent, sent] = [open(), open()]
    unsent.connection.close()
    await turn()
    sent.connection.close()
    expect([(await unsent.ended).failure?.neverRan, (await sent.ended).failure?.neverRan]).toEqual([true, false])
  })
})

describe('a connection ends where its peer', () => {
  const table = (name: number, value: number) => frame(frameType.settings, 0, 0, settingsPayload([[name, value]]))
  it.each<[string, Buffer, number]>([
    ['answers by HTTP/1', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 6],
    ['sends a frame that is too large', Buffer.from('004001000000000001', 'hex'), 6],
    ['pushes', frame(frameType.push, flag.endHeaders, 1, Buffer.alloc(9)), 1],
    ['answers a call that is none', frame(frameType.headers, flag.endHeaders, 3, ok), 1],
    ['sends data to a call that is none', frame(frameType.data, 0, 2, ok), 1],
    ['sends headers that cannot be read', frame(frameType.headers, flag.endHeaders, 1, Buffer.of(0xff)), 9],
    ['goes on with headers that did not begin', frame(frameType.continuation, flag.endHeaders, 1, ok), 1],
    [
      'interrupts headers',
      Buffer.concat([frame(frameType.headers, 0, 1, ok), frame(frameType.ping, 0, 0, Buffer.alloc(8))]),
      1,
    ],
    ['pads more than there is', frame(frameType.data, flag.padded, 1, Buffer.of(9, 0)), 1],
    ['sets frames too small', table(5, 100), 1],
    ['sets windows too large', table(4, 2 ** 31), 3],
    ['opens the window by nothing', frame(frameType.windowUpdate, 0, 0, Buffer.alloc(4)), 1],
    ['opens the window too far', frame(frameType.windowUpdate, 0, 0, Buffer.from([127, 255, 255, 255])), 3],
    ['cuts a ping off', frame(frameType.ping, 0, 0, Buffer.alloc(7)), 6],
    ['sends empty headers without end', flood(frame(frameType.continuation, 0, 1), 100, frame(1, 0, 1)), 11],
    ['pings without end', flood(frame(frameType.ping, 0, 0, Buffer.alloc(8)), 10_001), 11],
    ['sets without end', flood(hello, 10_001), 11],
    ['resets without end', flood(frame(frameType.reset, 0, 1, Buffer.alloc(4)), 10_002), 11],
    ['sends empty data without end', flood(frame(frameType.data, 0, 1), 10_001, answer[0]), 11],
    ['sends frames of no meaning without end', flood(frame(77, 0, 0), 10_001), 11],
  ])('%s', async (_what, bytes, code) => {
    const { ended, say, sent, why } = open()
    await turn()
    say(bytes)
    const { failure } = await ended
    expect(failure?.neverRan).toBe(false)
    expect(why()).toMatch(/^it broke the rules of HTTP\/2: /)
    const goodbye = sent().subarray(-17)
    expect([goodbye[3], goodbye.readUInt32BE(13)]).toEqual([frameType.goAway, code])
  })

  function flood(each: Buffer, count: number, first: Buffer = Buffer.alloc(0)): Buffer {
    return Buffer.concat([first, ...Array.from({ length: count }, () => each)])
  }

  it('does not begin with its settings', () => {
    expect(open(frame(frameType.ping, 0, 0, Buffer.alloc(8))).why()).toMatch(/begin with its settings/)
  })
})

it('takes no more of one call than its window, and lives on', async () => {
  const { connection, say, why, ended } = open()
  const parts: Buffer[] = []
  const unread = new Promise<Failure | undefined>((resolve) => {
    connection.request(
      { fixed, more: literals([]), body: [] },
      { head: () => undefined, data: (bytes) => void parts.push(bytes), end: resolve },
    )
  })
  say(frame(frameType.headers, flag.endHeaders, 3, ok))
  const data = frame(frameType.data, 0, 3, Buffer.alloc(16_384))
  for (let count = 0; count <= 512; count += 1) say(data)
  expect((await unread)?.message).toMatch(/more data came than allowed/)
  expect(parts).toHaveLength(512)
  say(...answer)
  expect([(await ended).failure, why()]).toEqual([undefined, ''])
})

it('answers pings and settings, and begins as the standard has it', async () => {
  const { say, sent } = open()
  say(frame(frameType.ping, 0, 0, Buffer.from('12345678')))
  await turn()
  expect(sent().subarray(0, preface.length)).toEqual(preface)
  expect(sent().includes(frame(frameType.settings, flag.acknowledged, 0))).toBe(true)
  expect(sent().includes(frame(frameType.ping, flag.acknowledged, 0, Buffer.from('12345678')))).toBe(true)
})

it('ends every call once whatever 20,000 mutated answers hold', async () => {
  let seed = 1
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  const all = Buffer.concat(answer)
  const failures = new Set<string>()
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(all)
    for (let count = 0; count <= random(4); count += 1) bytes[random(bytes.length)] = random(256)
    const { connection, ended, say } = open()
    say(bytes)
    connection.close()
    failures.add((await ended).failure?.message ?? '')
  }
  expect(failures.size).toBeGreaterThan(10)
}, 60_000)
