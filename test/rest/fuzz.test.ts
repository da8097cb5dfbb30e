/** Hostile bodies, seeded: whatever comes, the answer is 2xx or 4xx, and an error has the one shape. */
import { afterAll, describe, expect, it } from 'vitest'
import { createTestApp } from './models.ts'

const count = 20_000
const seed = 20_240_229

/** Marsaglia's xorshift: the same bodies on every machine. */
function randomFrom(start: number): (below: number) => number {
  let state = start
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const fragments = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', '\\ud800', 'null', 'true', 'NaN', '-Infinity', '1e999', '-0'],
  ...['"inputs"', '"instances"', '"data"', '"shape"', '"datatype"', '"name"', '"parameters"', '"b64"', '"__proto__"'],
  ...['"binary_data_size"', '9007199254740993', '[[[[', ']]]]', '\u0000', '\u00ff', ' ', '\n', '"FP32"', '"BYTES"'],
]

const valid = [
  '{"id":"a","inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2.5]}],"outputs":[{"name":"y"}]}',
  '{"instances":[[1,2],[3,4]]}',
  '{"inputs":{"x":[1,2,3]}}',
  '{"inputs":[{"name":"IN","datatype":"BYTES","shape":[1],"data":["YQ=="]}]}',
]

function hostileBody(random: (below: number) => number): Buffer {
  switch (random(5)) {
    case 0:
      return Buffer.from(Array.from({ length: random(200) }, () => random(256)))
    case 1:
      return Buffer.from(Array.from({ length: random(60) }, () => fragments[random(fragments.length)] ?? '').join(''))
    case 2:
      return Buffer.from('['.repeat(random(5000)) + ']'.repeat(random(5000)))
    default: {
      const body = Buffer.from(valid[random(valid.length)] ?? '')
      if (random(3) === 0) return body.subarray(0, random(body.length))
      for (let change = random(4) + 1; change > 0; change -= 1) body[random(body.length)] = random(256)
      return body
    }
  }
}

describe('hostile bodies', () => {
  const app = createTestApp()
  afterAll(() => app.close())
  const urls = [
    '/v2/models/half_plus_two/infer',
    '/v2/models/identity_bytes/infer',
    '/v2/models/simple/infer',
    '/v1/models/half_plus_two:predict',
    '/v1/models/identity_bytes:predict',
  ]

  it(`neither crash nor hang nor answer 5xx (${count} bodies, seed ${seed})`, { timeout: 120_000 }, async () => {
    const random = randomFrom(seed)
    for (let index = 0; index < count; index += 1) {
      const payload = hostileBody(random)
      const url = urls[random(urls.length)] ?? ''
      const headers =
        random(6) === 0 ? { 'inference-header-content-length': String(random(payload.length + 2) - 1) } : {}
      const answer = await app.inject({ method: 'POST', url, payload, headers })
      const shape = answer.statusCode === 200 ? 'ok' : Object.keys(answer.json<object>()).join()
      const hint = `${index} ${url} ${JSON.stringify(headers)} ${payload.toString('latin1').slice(0, 300)}`
      if (answer.statusCode >= 500 || (answer.statusCode !== 200 && shape !== 'error')) {
        expect.fail(`${answer.statusCode} ${answer.body} to ${hint}`)
      }
    }
  })
})
