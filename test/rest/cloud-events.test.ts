/** CloudEvents on V1. */
import { afterAll, describe, expect, it } from 'vitest'
import { createTestApp } from './models.ts'

const app = createTestApp()
const marked = createTestApp({ cloudEvents: { type: 'my.type', source: 'my/source', isMerging: true } })
afterAll(async () => {
  await app.close()
  await marked.close()
})

const url = '/v1/models/half_plus_two:predict'
const attributes = { specversion: '1.0', id: '36077800', source: 'test', type: 'test.sample' }
const binary = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]))
const structured = (event: object) => ({
  method: 'POST' as const,
  url,
  headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
  payload: JSON.stringify(event),
})
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/) as string
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string

describe('CloudEvents', () => {
  it('answers a binary event by a binary event', async () => {
    const payload = '{"instances":[1.0,2.0]}'
    const answer = await app.inject({
      method: 'POST',
      url,
      headers: { ...binary, 'content-type': 'application/json' },
      payload,
    })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({ predictions: [2.5, 3] })
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': uuid,
      'ce-time': time,
      'ce-type': 'io.kserve.inference.response',
      'ce-source': 'io.kserve.inference.half_plus_two',
    })
    expect(answer.headers['ce-id']).not.toBe(attributes.id)
  })

  it('answers a structured event by a structured event', async () => {
    const answer = await app.inject(
      structured({ ...attributes, time: '2020-01-01T00:00:00Z', data: { instances: [1, 2] } }),
    )
    expect(answer.headers['content-type']).toBe('application/cloudevents+json')
    expect(answer.headers['ce-id']).toBeUndefined()
    expect(answer.json()).toEqual({
      specversion: '1.0',
      id: uuid,
      time,
      type: 'io.kserve.inference.response',
      source: 'io.kserve.inference.half_plus_two',
      data: { predictions: [2.5, 3] },
    })
  })

  it('takes data as base64 and as a string', async () => {
    const text = '{"instances":[1]}'
    for (const data of [{ data: text }, { data_base64: Buffer.from(text).toString('base64') }]) {
      expect((await app.inject(structured({ ...attributes, ...data }))).json()).toMatchObject({
        data: { predictions: [2.5] },
      })
    }
  })

  it('keeps integers that a double cannot hold', async () => {
    const payload = `{"data":{"instances":[9007199254740993]},${JSON.stringify(attributes).slice(1)}`
    const answer = await app.inject({ ...structured({}), url: '/v1/models/identity_int64:predict', payload })
    expect(answer.body).toContain('"data":{"predictions":[9007199254740993]}')
  })

  it('marks answers as it is told, with the attributes of the request', async () => {
    const headers = {
      ...binary,
      'ce-subject': 'caf%C3%A9',
      'ce-datacontenttype': 'application/json',
      'ce-time': 'then',
    }
    const answer = await marked.inject({ method: 'POST', url, headers, payload: '{"instances":[1]}' })
    expect(answer.headers).toMatchObject({
      'ce-type': 'my.type',
      'ce-source': 'my/source',
      'ce-subject': 'caf%C3%A9',
      'ce-id': uuid,
      'ce-time': time,
    })
    expect(answer.headers['ce-datacontenttype']).toBeUndefined()
    const other = await marked.inject(structured({ ...attributes, subject: 'é', count: 3, data: { instances: [1] } }))
    expect(other.json()).toMatchObject({ subject: 'é', count: '3', type: 'my.type', data: { predictions: [2.5] } })
  })

  it('is no event where an attribute is missing from the headers', async () => {
    const headers = Object.fromEntries(Object.entries(binary).filter(([name]) => name !== 'ce-id'))
    const answer = await app.inject({ method: 'POST', url, headers, payload: '{"instances":[1]}' })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['ce-type']).toBeUndefined()
  })

  it.each([
    ['an attribute is missing', { specversion: '1.0', id: '1', source: 's', data: {} }, "attribute 'type' is missing"],
    ['there is no data', attributes, "neither 'data' nor 'data_base64'"],
    ['an attribute is an object', { ...attributes, subject: {}, data: {} }, "attribute 'subject' is no string"],
    ['it is a list', [], 'no JSON object'],
  ])('refuses a structured event where %s', async (_title, event, message) => {
    const answer = await app.inject(structured(event))
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ error: string }>().error).toContain('Failed to decode or parse structured json cloudevent')
    expect(answer.json<{ error: string }>().error).toContain(message)
  })

  it('answers errors as plain errors, in the words of KServe', async () => {
    const answer = await app.inject({ ...structured({ ...attributes, data: {} }), url: '/v1/models/foo:predict' })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toEqual({ error: 'Model with name foo does not exist.' })
  })
})
