import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { place, tensor } from '../../src/runtime/index.ts'
import type { Batch, PlacedSession, Placement, PlaceOptions, Tensor } from '../../src/runtime/index.ts'

const scripted = new URL('./sessions/scripted.js', import.meta.url)
const { signal: never } = new AbortController()

async function placed(placement: Placement, options: PlaceOptions = {}): Promise<PlacedSession> {
  const session = await place(scripted, {}, placement, options)
  onTestFinished(() => session.close())
  return session
}

function told(what: string, inputs: readonly Tensor[] = []): Batch {
  return { inputs, parameters: { do: what } }
}

function threadOf([output]: readonly Tensor[]): number {
  return Number(output?.data[0])
}

/** Elements as texts that tell -0, NaN, bigints and byte strings apart. */
function texts(item: Tensor | undefined): string[] {
  return [...(item?.data ?? [])].map((element) =>
    element instanceof Uint8Array ? Buffer.from(element).toString('hex') : String(element),
  )
}

const mixed: readonly Tensor[] = [
  tensor('F', 'FP32', [2], Float32Array.of(1.5, NaN)),
  tensor('U', 'UINT64', [1], BigUint64Array.of(2n ** 64n - 1n)),
  tensor('B', 'BYTES', [3], [Buffer.from('a\0b'), new Uint8Array(0), Buffer.from([255])]),
  tensor('E', 'INT8', [0, 4], new Int8Array(0)),
  tensor('S', 'FP64', [], Float64Array.of(0.1)),
]

describe.each<Placement>(['inline', 'pool', 'thread', 'process'])('a session placed %s', (placement) => {
  it('takes and gives tensors of any datatype', async () => {
    const session = await placed(placement)
    expect(session.placement).toBe(placement)
    const outputs = await session.run({ inputs: mixed }, never)
    expect(outputs.map(({ name, shape }) => [name, shape])).toEqual(mixed.map(({ name, shape }) => [name, shape]))
    for (const [index, output] of outputs.entries()) {
      expect(texts(output)).toEqual(texts(mixed[index]))
    }
  })

  it('hands on which outputs are wanted', async () => {
    const session = await placed(placement)
    const outputs = await session.run({ inputs: mixed, outputs: ['U'] }, never)
    expect(outputs.map(({ name }) => name)).toEqual(['U'])
  })

  it('passes errors on with their code', async () => {
    const session = await placed(placement)
    const error = { name: 'InferenceError', code: 'invalid_argument', message: "inference input 'X' is no good" }
    await expect(session.run(told('throw'), never)).rejects.toMatchObject(error)
    await expect(session.run(told('throw foreign'), never)).rejects.toThrow('boom')
    await expect(session.run({ inputs: mixed }, never)).resolves.toHaveLength(mixed.length)
  })

  it('refuses at once what was cancelled before', async () => {
    const session = await placed(placement)
    await expect(session.run(told('exit'), AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('reports what is wrong with a module', async () => {
    const failing = place(scripted, { failOpen: true }, placement)
    await expect(failing).rejects.toMatchObject({ code: 'failed_precondition', message: 'told not to open' })
    const nothing = place(new URL('./sessions/nothing.js', import.meta.url), {}, placement)
    await expect(nothing).rejects.toThrow(/must export a function 'open'/)
    const absent = place(new URL('./sessions/absent.js', import.meta.url), {}, placement)
    await expect(absent).rejects.toThrow(/cannot import session module/)
  })
})

describe.each<Placement>(['pool', 'thread'])('a session in a thread (%s)', (placement) => {
  it('keeps 200 concurrent calls apart', async () => {
    const session = await placed(placement, { instances: 2 })
    const calls = Array.from({ length: 200 }, async (_, call) => {
      const data = new Float32Array(call % 3 === 0 ? 10_000 : 3).fill(call)
      const [output] = await session.run({ inputs: [tensor('X', 'FP32', [data.length], data)] }, never)
      expect(output?.data.length).toBe(data.length)
      expect(output?.data.every((value) => value === call)).toBe(true)
    })
    await Promise.all(calls)
  })

  it('leaves the caller its tensors', async () => {
    const session = await placed(placement)
    const buffer = new ArrayBuffer(80_000)
    const whole = new Float32Array(buffer).fill(7)
    const view = new Float32Array(buffer, 40_000, 5000)
    const inputs = [tensor('W', 'FP32', [20_000], whole), tensor('V', 'FP32', [5000], view)]
    const outputs = await session.run({ inputs }, never)
    expect(whole.length).toBe(20_000)
    expect(outputs[1]?.data).toEqual(view)
  })

  it('moves a tensor that owns its buffer where the caller gives it up, and copies views and shared memory', async () => {
    const session = await placed(placement)
    const own = new Float32Array(20_000).fill(1)
    const view = new Float32Array(new ArrayBuffer(200_000), 100_000, 20_000).fill(2)
    const shared = new Float32Array(new SharedArrayBuffer(80_000)).fill(3)
    const inputs = [own, view, shared, own].map((data, index) => tensor(`X${index}`, 'FP32', [20_000], data))
    const outputs = await session.run({ inputs }, never, { move: true })
    expect(outputs.map((output) => output.data[19_999])).toEqual([1, 2, 3, 1])
    expect([own.length, view.length, shared.length]).toEqual([0, 20_000, 20_000])
  })

  it('fails the calls of a thread that dies and opens the session again', async () => {
    const session = await placed(placement)
    const dying = session.run(told('exit'), never)
    const beside = session.run({ inputs: mixed }, never)
    await expect(dying).rejects.toMatchObject({ code: 'internal', message: /ended with code 3/ })
    await expect(beside).rejects.toMatchObject({ code: 'internal' })
    await expect(session.run({ inputs: mixed }, never)).resolves.toHaveLength(mixed.length)
  })

  it('gives up a session whose threads die again and again', async () => {
    const session = await placed(placement)
    for (let death = 0; death < 4; death += 1) {
      await expect(session.run(told('exit'), never)).rejects.toThrow(/ended with code 3/)
    }
    await expect(session.run({ inputs: mixed }, never)).rejects.toThrow(/died, and 3 new ones after it/)
  })

  it('reports a thread that dies while it opens', async () => {
    await expect(place(scripted, { exitOnOpen: true }, placement)).rejects.toThrow(/ended with code 4/)
  })

  it('survives an exception outside any call', async () => {
    const session = await placed(placement)
    await expect(session.run(told('die'), never)).rejects.toThrow(/out of the blue/)
    await expect(session.run({ inputs: mixed }, never)).resolves.toHaveLength(mixed.length)
  })

  it('leaves the event loop free while it computes', async () => {
    const session = await placed(placement)
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 1)
    await session.run(told('spin'), never)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(3)
  })

  it('refuses calls after it was closed', async () => {
    const session = await place(scripted, {}, placement)
    await session.close()
    await expect(session.run({ inputs: mixed }, never)).rejects.toThrow(/closed/)
  })
})

describe('threads', () => {
  it('are another than the main one, and one per instance', async () => {
    const session = await placed('thread', { instances: 2 })
    const [first, second] = await Promise.all([session.run(told('thread'), never), session.run(told('thread'), never)])
    expect(threadOf(first)).toBeGreaterThan(0)
    expect(threadOf(second)).not.toBe(threadOf(first))
  })

  it('are shared in the pool, by no more threads than there are CPUs', async () => {
    const sessions = await Promise.all(Array.from({ length: 40 }, () => placed('pool')))
    const threads = await Promise.all(
      sessions.map(async (session) => threadOf(await session.run(told('thread'), never))),
    )
    const { usableCpus } = await import('../../src/runtime/cpu.ts')
    expect(new Set(threads).size).toBeLessThanOrEqual(usableCpus())
  })

  it('are ended once, after every session that is closed meanwhile has closed', async () => {
    for (let round = 0; round < 5; round += 1) {
      const sessions = await Promise.all(Array.from({ length: 6 }, () => place(scripted, {}, 'pool')))
      const closed = await Promise.allSettled(sessions.map((session) => session.close()))
      expect(closed.map(({ status }) => status)).toEqual(sessions.map(() => 'fulfilled'))
    }
  })

  it('do not keep a process from ending', async () => {
    const runtime = new URL('../../src/runtime/index.js', import.meta.url).href
    const program = `import { place } from '${runtime}'
      for (const placement of ['pool', 'thread', 'process']) {
        const session = await place(new URL('${scripted.href}'), {}, placement)
        await session.run({ inputs: [] }, new AbortController().signal)
        const closed = await place(new URL('${scripted.href}'), {}, placement)
        await closed.close()
      }
      console.log('done')`
    const node = [process.execPath, ['--input-type=module', '--eval', program]] as const
    const { stdout } = await promisify(execFile)(...node, {
      timeout: 20_000,
      cwd: fileURLToPath(new URL('.', import.meta.url)),
    })
    expect(stdout).toBe('done\n')
  })
})
