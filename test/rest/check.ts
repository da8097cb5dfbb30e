/** Asks an app one case and compares its answer. */
import type { FastifyInstance } from 'fastify'
import { expect } from 'vitest'
import type { RestCase } from './cases.ts'

export const checkCase =
  (app: FastifyInstance) =>
  async ({ request, body, headers = {}, ...expected }: RestCase): Promise<void> => {
    const [method = '', url = ''] = request.split(' ')
    const payload = body === undefined ? {} : { payload: Buffer.from(body) }
    const answer = await app.inject({ method: method as 'GET', url, headers, ...payload })
    expect(`${answer.statusCode} ${answer.statusCode === expected.status ? '' : answer.body}`).toBe(
      `${expected.status} `,
    )
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
