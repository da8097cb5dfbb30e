/** Answers that are kept: equal requests only, within the bytes, and nobody's changes reach anybody else. */
import { describe, expect, it } from 'vitest'
import type { Batch } from '../../src/core/model.ts'
import { tensor } from '../../src/core/tensor.ts'
import { cacheKey, maxKeyedBytes } from '../../src/dataplane/cache-key.ts'
import { ResponseCache } from '../../src/dataplane/response-cache.ts'

const ref = { name: 'm', version: '1' }
const floats = (name: string, values: readonly number[], shape = [values.length]) =>
  tensor(name, 'FP32', shape, Float32Array.from(values))

describe('cacheKey', () => {
  const batch: Batch = {
    inputs: [floats('x', [1, 2]), floats('y', [3])],
    outputs: ['a', 'b'],
    parameters: { k: 1, l: 'v' },
  }

  it('is the same for equal batches, in whatever order', () => {
    const inputs = [floats('y', [3]), floats('x', [1, 2])]
    expect(cacheKey({ inputs, outputs: ['b', 'a'], parameters: { l: 'v', k: 1 } })).toBe(cacheKey(batch))
  })

  it.each<[string, Batch]>([
    ['an element', { ...batch, inputs: [floats('x', [1, 2]), floats('y', [4])] }],
    ['a name', { ...batch, inputs: [floats('x', [1, 2]), floats('z', [3])] }],
    ['a shape', { ...batch, inputs: [floats('x', [1, 2], [1, 2]), floats('y', [3])] }],
    [
      'a datatype',
      { ...batch, inputs: [floats('x', [1, 2]), tensor('y', 'INT32', [1], new Int32Array(Float32Array.of(3).buffer))] },
    ],
    ['elements that move to the other input', { ...batch, inputs: [floats('x', [1]), floats('y', [2, 3])] }],
    ['the outputs wanted', { ...batch, outputs: ['a'] }],
    ['all outputs', { inputs: batch.inputs, parameters: { k: 1, l: 'v' } }],
    ['a parameter', { ...batch, parameters: { k: 2, l: 'v' } }],
    ['the type of a parameter', { ...batch, parameters: { k: '1', l: 'v' } }],
    ['no parameters', { inputs: batch.inputs, outputs: ['a', 'b'] }],
  ])('differs by %s', (_what, other) => {
    expect(cacheKey(other)).not.toBe(cacheKey(batch))
  })

  it('tells byte strings apart by their lengths, and numbers that JSON writes alike', () => {
    const text = (...elements: string[]) => ({
      inputs: [
        tensor(
          't',
          'BYTES',
          [2],
          elements.map((each) => Buffer.from(each)),
        ),
      ],
    })
    expect(cacheKey(text('ab', 'c'))).not.toBe(cacheKey(text('a', 'bc')))
    const keys = [NaN, Infinity, -Infinity, 0, -0].map((p) => cacheKey({ inputs: [], parameters: { p } }))
    expect(new Set(keys).size).toBe(5)
  })

  it('leaves out what would hold up the event loop', () => {
    const bytes = (count: number) => ({ inputs: [tensor('x', 'UINT8', [count], new Uint8Array(count))] })
    expect(cacheKey(bytes(maxKeyedBytes))).toBeTypeOf('string')
    expect(cacheKey(bytes(maxKeyedBytes + 1))).toBeUndefined()
  })
})

describe('ResponseCache', () => {
  it('gives copies of what it was given', () => {
    const cache = new ResponseCache(1e6).of(ref, {})
    const given = [floats('y', [1, 2]), tensor('t', 'BYTES', [2], [Buffer.from('ab'), Buffer.from('')])]
    cache.set('k', given)
    ;(given[0]?.data as Float32Array)[0] = 9
    const first = cache.get('k')
    ;(first?.[0]?.data as Float32Array)[1] = 9
    ;(first?.[1]?.data as Uint8Array[])[0]?.fill(9)
    expect(cache.get('k')).toEqual([
      floats('y', [1, 2]),
      tensor('t', 'BYTES', [2], [Uint8Array.from(Buffer.from('ab')), new Uint8Array()]),
    ])
  })

  it('copies a view only, and bytes that lie in a Buffer', () => {
    const cache = new ResponseCache(1e6).of(ref, {})
    const whole = Buffer.alloc(100_000)
    cache.set('k', [tensor('y', 'UINT8', [2], whole.subarray(4, 6))])
    whole.fill(1)
    const [kept] = cache.get('k') ?? []
    expect(kept?.data).toEqual(Uint8Array.of(0, 0))
    expect((kept?.data as Uint8Array).buffer.byteLength).toBe(2)
  })

  it('lets go of the longest unused where there is no room, and counts it', () => {
    const cache = new ResponseCache(10_000)
    const model = cache.of(ref, {})
    const answer = [
      floats(
        'y',
        Array.from({ length: 200 }, () => 1),
      ),
    ] // 1.2 KB with its entry
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) model.set(key, answer)
    expect(cache.usage).toMatchObject({ entries: 8, evictions: 0 })
    expect(model.get('a')).toBeDefined()
    model.set('i', answer)
    expect([model.get('a'), model.get('b')].map((found) => found !== undefined)).toEqual([true, false])
    expect(cache.usage).toMatchObject({ entries: 8, evictions: 1 })
    expect(cache.usage.bytes).toBeLessThanOrEqual(10_000)
  })

  it('keeps no answer that takes more than its share, and none where it has no bytes', () => {
    const cache = new ResponseCache(10_000)
    cache.of(ref, {}).set('k', [
      floats(
        'y',
        Array.from({ length: 1000 }, () => 1),
      ),
    ])
    const none = new ResponseCache(0)
    none.of(ref, {}).set('k', [floats('y', [1])])
    expect([cache.usage.entries, none.usage.entries]).toEqual([0, 0])
  })

  it('drops the answers of an instance that was replaced or unloaded, late ones too', () => {
    const cache = new ResponseCache(1e6)
    const [first, second] = [{}, {}]
    const old = cache.of(ref, first)
    old.set('k', [floats('y', [1])])
    const young = cache.of(ref, second)
    old.set('late', [floats('y', [1])])
    expect([young.get('k'), old.get('late'), cache.usage.entries, cache.usage.bytes]).toEqual([
      undefined,
      undefined,
      0,
      0,
    ])
    young.set('k', [floats('y', [2])])
    cache.of({ name: 'm', version: '2' }, {}).set('k', [floats('y', [3])])
    cache.forget(ref)
    expect(cache.usage.entries).toBe(1)
    expect(cache.usage.evictions).toBe(0)
  })

  it('stays consistent under many keys', () => {
    const cache = new ResponseCache(20_000)
    const models = [cache.of(ref, {}), cache.of({ name: 'n', version: '1' }, {})]
    let seed = 1
    const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below
    for (let step = 0; step < 20_000; step += 1) {
      const model = models[random(2)]
      const key = String(random(60))
      const found = model?.get(key)
      if (found === undefined)
        model?.set(key, [floats('y', [Number(key), ...Array.from({ length: random(200) }, () => 0)])])
      else expect((found[0]?.data as Float32Array)[0]).toBe(Number(key))
      expect(cache.usage.bytes).toBeLessThanOrEqual(20_000)
    }
    cache.forget(ref)
    cache.forget({ name: 'n', version: '1' })
    expect(cache.usage).toMatchObject({ entries: 0, bytes: 0 })
  })
})
