import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runInfer } from '../../src/cli/infer.ts'
import { bytesOf } from '../../src/core/tensor.ts'
import { fakeServer, irisServer, type Call, type FakeServer, type Reaction } from '../client/fake-server.ts'
import { catchIo } from './io.ts'
import { npy } from './npy-bytes.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'infer-'))
})
afterAll(() => rm(folder, { recursive: true }))

let server: FakeServer | undefined
afterEach(() => server?.close())

async function infer(react: (call: Call) => Reaction, ...args: string[]) {
  server = await fakeServer(react)
  const io = catchIo(100)
  const status = await runInfer([server.url.replace('http://', ''), ...args], io)
  const body = server.calls.findLast(({ path }) => /infer$|:predict$/.test(path))?.body.toString('utf8')
  const sent: unknown = body === undefined ? undefined : JSON.parse(body)
  return { status, out: io.out(), err: io.err(), sent, calls: server.calls, url: server.url.replace('http://', '') }
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

/** A model with one input of a datatype and shape, answering one number. */
function modelOf(datatype: string, shape: readonly number[]) {
  return ({ path }: Call): Reaction => {
    if (path === '/v2') return { body: { name: 's', version: '1', extensions: [] } }
    if (path === '/v2/models') return { body: { models: ['m'] } }
    if (path === '/v2/models/m') return { body: { name: 'm', inputs: [{ name: 'x', datatype, shape }], outputs: [] } }
    if (!path.endsWith('/infer')) return { status: 404, body: { error: 'Not Found' } }
    return {
      body: { model_name: 'm', model_version: '1', outputs: [{ name: 'y', datatype: 'INT32', shape: [1], data: [1] }] },
    }
  }
}

const inputOf = (sent: unknown) => (sent as { inputs: readonly unknown[] }).inputs[0]
const withoutTime = (text: string) => text.replace(/in [\d.]+ ms/, 'in N ms')

describe('servable infer', () => {
  it('prints a table of the outputs', async () => {
    const { status, out, err } = await infer(irisServer, 'iris', '--input', '5.1,3.5,1.4,0.2')
    expect(err).toBe('')
    expect(`\n${withoutTime(out)}`).toBe(`
┌───────────────┬──────────┬───────┬─────────────┐
│ output        │ datatype │ shape │ values      │
├───────────────┼──────────┼───────┼─────────────┤
│ label         │ INT64    │ [1]   │ 0           │
│ probabilities │ FP32     │ [1,3] │ 0.97 0.03 0 │
└───────────────┴──────────┴───────┴─────────────┘
iris version 2 answered in N ms
`)
    expect(status).toBe(0)
  })

  it('prints the answer as JSON', async () => {
    const { out } = await infer(irisServer, 'iris', '--input', 'X=5.1,3.5,1.4,0.2', '--json')
    expect(JSON.parse(out)).toMatchObject({
      model_name: 'iris',
      outputs: [
        { name: 'label', data: [0] },
        { name: 'probabilities', data: [0.97, 0.03, 0] },
      ],
    })
  })

  it('sends version, outputs and headers', async () => {
    const args = ['--version', '2', '--output', 'label', '--output', 'probabilities', '--header', 'x-key: a: b']
    const { sent, calls, status } = await infer(irisServer, 'iris', '--input', 'X=1,2,3,4', ...args)
    expect(status).toBe(0)
    expect(calls.at(-1)?.path).toBe('/v2/models/iris/versions/2/infer')
    expect(calls.at(-1)?.headers['x-key']).toBe('a: b')
    expect(sent).toMatchObject({ outputs: [{ name: 'label' }, { name: 'probabilities' }] })
  })

  it('speaks V1 where asked to', async () => {
    const { sent, out, status } = await infer(
      ({ path }) => (path.endsWith(':predict') ? { body: { predictions: [0.5] } } : { status: 404, body: {} }),
      'm',
      '--protocol=v1',
      '--input',
      'x=[[1,2]]',
    )
    expect(sent).toEqual({ instances: [[1, 2]] })
    expect(out).toContain('│ output-0 │ FP64     │ [1]   │    0.5 │')
    expect(status).toBe(0)
  })

  it('prints help', async () => {
    const io = catchIo()
    expect(await runInfer(['--help'], io)).toBe(0)
    expect(io.out()).toContain("Usage: servable infer <url> <model> --input 'NAME=VALUE'")
    expect(io.out()).toContain('--timeout SECONDS')
  })
})

describe('--input', () => {
  const cases: readonly (readonly [string, string, readonly number[], string, unknown])[] = [
    ['a flat list as rows', 'FP32', [-1, 2], 'x=1,2,3,4', { datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] }],
    [
      'JSON as it is nested',
      'INT32',
      [-1, 2],
      '[[1,2],[3,4]]',
      { datatype: 'INT32', shape: [2, 2], data: [1, 2, 3, 4] },
    ],
    ['a text', 'BYTES', [-1], 'hello = world', { datatype: 'BYTES', shape: [1], data: ['hello = world'] }],
    ['texts', 'BYTES', [-1], 'x=["a","b"]', { datatype: 'BYTES', shape: [2], data: ['a', 'b'] }],
    ['a text that begins like JSON', 'BYTES', [-1], 'x=[a', { data: ['[a'] }],
    ['booleans', 'BOOL', [-1], 'x=true,false', { datatype: 'BOOL', data: [true, false] }],
    ['a scalar', 'FP64', [], '2.5', { datatype: 'FP64', shape: [], data: [2.5] }],
  ]
  it.each(cases)('reads %s', async (_, datatype, shape, input, expected) => {
    const { sent, err } = await infer(modelOf(datatype, shape), 'm', '--input', input)
    expect(err).toBe('')
    expect(inputOf(sent)).toMatchObject({ name: 'x', ...(expected as object) })
  })

  it('keeps 64-bit integers exact', async () => {
    const { calls } = await infer(modelOf('INT64', [-1]), 'm', '--input', '9007199254740993')
    expect(calls.at(-1)?.body.toString()).toContain('[9007199254740993]')
  })

  it('takes shape and datatype from the flags, where the server does not tell them', async () => {
    const quiet = (call: Call): Reaction =>
      call.path === '/v2/models/m' ? { body: { name: 'm', inputs: null } } : modelOf('FP32', [])(call)
    const { sent } = await infer(quiet, 'm', '--input', 'x=1,2,3,4', '--shape', 'x=2,2', '--datatype', 'x=uint8')
    expect(inputOf(sent)).toMatchObject({ datatype: 'UINT8', shape: [2, 2], data: [1, 2, 3, 4] })
  })

  it('reads an array from a JSON file', async () => {
    const path = await file('rows.json', '[[1, 2], [3, 4]]\n')
    const { sent } = await infer(modelOf('FP32', [-1, 2]), 'm', '--input', `x=@${path}`)
    expect(inputOf(sent)).toMatchObject({ shape: [2, 2], data: [1, 2, 3, 4] })
  })

  it('reads a whole V2 request', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }
    const path = await file('v2.json', JSON.stringify({ id: 'q', inputs: [input], outputs: [{ name: 'y' }] }))
    const { sent } = await infer(modelOf('FP32', [-1, 2]), 'm', '--input', `@${path}`)
    expect(sent).toEqual({ id: 'q', inputs: [input], outputs: [{ name: 'y' }] })
  })

  it('reads a whole V1 request', async () => {
    const path = await file('v1.json', '{"instances": [[1, 2], [3, 4]]}')
    const { sent } = await infer(modelOf('FP32', [-1, 2]), 'm', '--input', `@${path}`)
    expect(inputOf(sent)).toMatchObject({ name: 'x', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] })
  })

  it('reads an .npy file, in the datatype of the model', async () => {
    const path = await file('a.npy', npy({ descr: '<f8', shape: [1, 2] }, bytesOf(Float64Array.of(0.5, 2))))
    const { sent } = await infer(modelOf('FP32', [-1, 2]), 'm', '--input', `x=@${path}`)
    expect(inputOf(sent)).toMatchObject({ datatype: 'FP32', shape: [1, 2], data: [0.5, 2] })
  })

  it('sends the bytes of a picture as one element', async () => {
    const path = await file('a.png', 'PNG?')
    const { sent } = await infer(modelOf('BYTES', [-1]), 'm', '--input', `@${path}`)
    expect(inputOf(sent)).toMatchObject({ datatype: 'BYTES', shape: [1], data: ['PNG?'] })
  })

  it.each([
    ['a picture for numbers', 'x=@a.png', 'the model takes FP32[-1,2], not the bytes of a file'],
    ['a wrong name', 'xx=1,2', "model 'm' has no input 'xx', did you mean 'x'?"],
    ['a missing file', 'x=@missing.json', 'cannot read'],
    ['no number', 'x=1,two', "--input x: cannot read 'two', expected numbers"],
    ['an unreadable request', '@bad.json', 'no request of the V2 or V1 protocol'],
  ])('refuses %s with status 2', async (_, input, reason) => {
    await file('a.png', 'PNG?')
    await file('bad.json', '{"rows": 1}')
    const { status, err, sent } = await infer(
      modelOf('FP32', [-1, 2]),
      'm',
      '--input',
      input.replace('@', `@${folder}/`),
    )
    expect(err).toContain(reason)
    expect(status).toBe(2)
    expect(sent).toBeUndefined()
  })

  it('tells what the model takes where nothing is given', async () => {
    const { status, err } = await infer(modelOf('FP32', [-1, 2]), 'm')
    expect(err).toBe("servable infer: --input is missing: model 'm' takes x FP32[-1,2]\n")
    expect(status).toBe(2)
  })

  it('needs no name over V1, and takes the metadata of V2 where there is one', async () => {
    const nothing = ({ path }: Call): Reaction =>
      path.endsWith(':predict') ? { body: { predictions: [1] } } : { status: 404, body: {} }
    expect((await infer(nothing, 'm', '--protocol', 'v1', '--input', '[[1,2]]')).sent).toEqual({ instances: [[1, 2]] })
    await server?.close()
    const both = (call: Call): Reaction =>
      call.path.startsWith('/v1') ? nothing(call) : modelOf('FP32', [-1, 2])(call)
    expect((await infer(both, 'm', '--protocol', 'v1', '--input', '1,2')).sent).toEqual({ instances: [[1, 2]] })
  })

  it('asks which input is meant where there are several', async () => {
    const two = (call: Call): Reaction =>
      call.path === '/v2/models/m'
        ? {
            body: {
              inputs: [
                { name: 'a', datatype: 'FP32', shape: [1] },
                { name: 'b', datatype: 'FP32', shape: [1] },
              ],
            },
          }
        : modelOf('FP32', [])(call)
    const { err, status } = await infer(two, 'm', '--input', '1')
    expect(err).toContain("say which input it is: --input 'a=…' --input 'b=…'")
    expect(status).toBe(2)
  })
})

describe('the table of an answer', () => {
  it('shows rows, and the start of what is long', async () => {
    const data = Array.from({ length: 40 }, (_, index) => (index === 0 ? 0.00001234567 : index / 3))
    const big = { name: 'big', datatype: 'FP32', shape: [20, 2], data }
    const texts = { name: 'texts', datatype: 'BYTES', shape: [2], data: ['\u001b[31m', 'ä'] }
    const none = { name: 'none', datatype: 'INT64', shape: [0, 4], data: [] }
    const { out } = await infer(
      (call) =>
        call.path.endsWith('/infer')
          ? { body: { model_name: 'm', model_version: null, outputs: [big, texts, none] } }
          : modelOf('FP32', [-1])(call),
      'm',
      '--input',
      '1',
    )
    expect(`\n${withoutTime(out)}`).toBe(`
┌────────┬──────────┬────────┬─────────────────────┐
│ output │ datatype │ shape  │ values              │
├────────┼──────────┼────────┼─────────────────────┤
│ big    │ FP32     │ [20,2] │ 1.23457e-5 0.333333 │
│        │          │        │ 0.666667 1          │
│        │          │        │ 1.33333 1.66667     │
│        │          │        │ 2 2.33333           │
│        │          │        │ 2.66667 3           │
│        │          │        │ 3.33333 3.66667     │
│        │          │        │ 4 4.33333           │
│        │          │        │ 4.66667 5           │
│        │          │        │ 5.33333 5.66667     │
│        │          │        │ 6 6.33333           │
│        │          │        │ … 10 more rows      │
│ texts  │ BYTES    │ [2]    │ \\u001b[31m ä        │
│ none   │ INT64    │ [0,4]  │ (no elements)       │
└────────┴──────────┴────────┴─────────────────────┘
m answered in N ms
`)
  })
})

describe('errors', () => {
  it('asks whether a server runs where nobody answers', async () => {
    const gone = await fakeServer(() => ({}))
    await gone.close()
    const io = catchIo()
    expect(await runInfer([gone.url, 'iris', '--input', '1'], io)).toBe(1)
    expect(io.err()).toBe(
      `servable infer: cannot reach ${gone.url}: connection refused. Is 'servable serve' running at ${gone.url}?\n`,
    )
  })

  it('lists the models there are, and the one that was meant', async () => {
    const { status, err, url } = await infer(irisServer, 'irsi', '--input', '1')
    expect(err).toBe(
      `servable infer: ${url} serves no model 'irsi'. Served: iris\n`.replace(
        "'irsi'.",
        "'irsi', did you mean 'iris'?",
      ),
    )
    expect(status).toBe(1)
  })

  it('prints what the server says', async () => {
    const refusing = (call: Call): Reaction =>
      call.path.endsWith('/infer') ? { status: 400, body: { error: 'unexpected shape' } } : irisServer(call)
    const { status, err } = await infer(refusing, 'iris', '--input', '1,2,3')
    expect(err).toBe('servable infer: unexpected shape\n')
    expect(status).toBe(1)
  })

  it('tells of --timeout where the answer does not come', async () => {
    const { status, err } = await infer(() => 'hang', 'iris', '--input', '1', '--timeout', '0.02')
    expect(err).toContain('no answer within 20 ms. A slow model may need --timeout SECONDS')
    expect(status).toBe(1)
  })

  it.each([
    [['localhost:1'], 'expected a URL and a model'],
    [['localhost:1', 'm', '--inputs', 'x'], 'unknown option --inputs, did you mean --input?'],
    [['localhost:1', 'm', '--protocol', 'v3'], '--protocol: expected one of v2, v1'],
    [['localhost:1', 'm', '--timeout', '-1'], '--timeout: expected seconds'],
    [['localhost:1', 'm', '--header', 'x'], "--header: expected 'NAME: VALUE'"],
    [['tcp://h', 'm'], "'tcp://h' is no address of a server"],
  ])('refuses %j with status 2', async (args, reason) => {
    const io = catchIo()
    expect(await runInfer(args, io)).toBe(2)
    expect(io.err()).toContain(reason)
  })
})
