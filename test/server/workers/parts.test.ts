/** The small parts of a group: questions between processes, lines of output, shares of the machine. */
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../../src/core/errors.ts'
import { Exchange, type ExchangeMessage } from '../../../src/server/workers/exchange.ts'
import { readFromWorker, readToWorker, type Work } from '../../../src/server/workers/messages.ts'
import { forwardLines, LastWords } from '../../../src/server/workers/output.ts'
import { heapFlags } from '../../../src/server/workers/share.ts'

const snapshot: Work = { kind: 'snapshot' }

/** Two sides, each with what it does when asked. */
function pair(left: (work: Work) => Promise<unknown>, right: (work: Work) => Promise<unknown>): [Exchange, Exchange] {
  const sides: [Exchange, Exchange] = [
    new Exchange((message: ExchangeMessage) => sides[1].receive(message), left),
    new Exchange((message: ExchangeMessage) => sides[0].receive(message), right),
  ]
  return sides
}

const never = (): Promise<never> => new Promise(() => undefined)

describe('a question to another process', () => {
  it('is answered, in both directions, by the other side', async () => {
    const [left, right] = pair(
      async ({ kind }) => `left ${kind}`,
      async ({ kind }) => `right ${kind}`,
    )
    expect(await Promise.all([left.ask(snapshot), right.ask(snapshot)])).toEqual(['right snapshot', 'left snapshot'])
  })

  it('fails with the error of the other side, its code included', async () => {
    const [left] = pair(never, async () => {
      throw new InferenceError('not_found', 'no such model')
    })
    await expect(left.ask(snapshot)).rejects.toMatchObject({ code: 'not_found', message: 'no such model' })
  })

  it('tells nothing of an error that nobody foresaw', async () => {
    const [left] = pair(never, async () => {
      throw new Error('a path of this machine')
    })
    await expect(left.ask(snapshot)).rejects.toMatchObject({ code: 'internal', message: 'internal error' })
  })

  it('fails when the time is over, and when the other side has ended', async () => {
    const [left] = pair(never, never)
    await expect(left.ask(snapshot, 1)).rejects.toMatchObject({ code: 'deadline_exceeded' })
    const asked = left.ask(snapshot)
    left.close(new InferenceError('unavailable', 'worker 1 has ended'))
    await expect(asked).rejects.toMatchObject({ code: 'unavailable' })
    await expect(left.ask(snapshot)).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('messages', () => {
  it.each([undefined, null, 'hello', 7, {}, { kind: 'unheard' }, { kind: 'ask', id: '1', work: snapshot }])(
    'are left alone where they are none of ours: %j',
    (message) => {
      expect([readFromWorker(message), readToWorker(message)]).toEqual([undefined, undefined])
    },
  )
})

describe('the output of workers', () => {
  it('is written in whole lines, however it comes, and completed at the end', async () => {
    const [source, target] = [new PassThrough(), new PassThrough()]
    const written: string[] = []
    target.on('data', (chunk: Buffer) => written.push(chunk.toString()))
    forwardLines(source, target)
    source.write('{"a":1}\n{"b"')
    source.write(':2}\nlast ')
    source.end('words')
    await new Promise((resolve) => source.once('close', resolve))
    await expect.poll(() => written.join('')).toBe('{"a":1}\n{"b":2}\nlast words\n')
    expect(written.filter((text) => !text.endsWith('\n'))).toEqual([])
  })

  it('leaves the error as the reason of a crash', () => {
    const words = new LastWords()
    words.hear(
      '{"level":"info"}\nfile.js:3\n  throw\n\nTypeError: not a function\n    at main (file.js:3)\nNode.js v20\n',
    )
    expect(words.text).toBe('TypeError: not a function')
  })
})

describe('the memory of workers', () => {
  const machine = { memoryBytes: 8 * 2 ** 30, heapBytes: 2 * 2 ** 30, flags: [] }

  it('is left as it is where all heaps fit into half of it', () => {
    expect(heapFlags(2, machine)).toEqual([])
  })

  it('is divided where they do not', () => {
    expect(heapFlags(8, machine)).toEqual(['--max-old-space-size=512'])
  })

  it('is what the user says', () => {
    expect(heapFlags(8, { ...machine, flags: ['--max-old-space-size=900'] })).toEqual([])
    expect(heapFlags(8, { ...machine, flags: ['--max_old_space_size=900'] })).toEqual([])
  })
})
