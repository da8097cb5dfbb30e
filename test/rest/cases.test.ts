/** The cases, asked of the app by inject. */
import { afterAll, describe, expect, it } from 'vitest'
import { binaryCases, healthCases, inferCases, v1Cases } from './cases.ts'
import type { RestCase } from './cases.ts'
import { createTestApp } from './models.ts'

const app = createTestApp()
afterAll(() => app.close())

async function check({ request, body, headers = {}, ...expected }: RestCase): Promise<void> {
  const [method = '', url = ''] = request.split(' ')
  const payload = body === undefined ? {} : { payload: Buffer.from(body) }
  const answer = await app.inject({ method: method as 'GET', url, headers, ...payload })
  expect(`${answer.statusCode} ${answer.statusCode === expected.status ? '' : answer.body}`).toBe(`${expected.status} `)
  if (expected.status >= 400) {
    expect(answer.headers['content-type']).toBe('application/json')
    if (expected.json === undefined) expect(answer.json()).toEqual({ error: expect.any(String) as string })
  }
  if (expected.json !== undefined) expect(answer.json()).toEqual(expected.json)
  if (expected.text !== undefined) expect(answer.body).toBe(expected.text)
  if (expected.contains !== undefined)
    expect(expected.status < 400 ? answer.body : answer.body.replaceAll('\\"', '"')).toContain(expected.contains)
  expect(answer.headers).toMatchObject(expected.answerHeaders ?? {})
}

describe('health and metadata', () => {
  it.each(healthCases)('$title: $request', check)
})
describe('V2 infer', () => {
  it.each(inferCases)('$title', check)
})
describe('V2 infer with binary tensors', () => {
  it.each(binaryCases)('$title', check)
})
describe('V1', () => {
  it.each(v1Cases)('$title: $request', check)
})
