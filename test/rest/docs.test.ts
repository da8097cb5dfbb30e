/** The description of the API and its page. */
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, describe, expect, it } from 'vitest'
import { describeApi } from '../../src/rest/openapi.ts'
import { createTestApp } from './models.ts'

const app = createTestApp()
afterAll(() => app.close())

/** Every `$ref` below a value. */
function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' ? [String(inner)] : refsIn(inner)))
}

const document = describeApi('0.0.1') as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId?: string }>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

describe('/openapi.json', () => {
  it('is what the app serves', async () => {
    const answer = await app.inject('/openapi.json')
    expect(answer.json()).toEqual(JSON.parse(JSON.stringify(document)))
  })

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>)
    expect(errors ?? []).toEqual([])
    expect(valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  it('names only schemas that it has, and has none that nothing names', () => {
    const named = new Set(refsIn(document).map((ref) => ref.replace('#/components/schemas/', '')))
    expect([...named].toSorted()).toEqual(Object.keys(document.components.schemas).toSorted())
  })

  it('gives every operation an id of its own', () => {
    const ids = Object.values(document.paths).flatMap((path) =>
      ['get', 'post'].flatMap((method) => path[method]?.operationId ?? []),
    )
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(15)
  })

  it('describes routes that exist', async () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      const url = path.replace('{model}', 'half_plus_two').replace('{version}', '123')
      for (const method of ['get', 'post'] as const) {
        if (operations[method] === undefined) continue
        const answer = await app.inject({ method: method === 'get' ? 'GET' : 'POST', url })
        expect(`${path} ${[404, 405].includes(answer.statusCode)}`).toBe(`${path} false`)
      }
    }
  })
})

describe('aliases in the description', () => {
  const described = describeApi('0.0.1', { hasAliases: true }) as typeof document

  it('are there only where the server has them', () => {
    expect(Object.keys(described.paths)).toContain('/v2/repository/aliases/{alias}')
    expect(Object.keys(document.paths)).not.toContain('/v2/repository/aliases/{alias}')
  })

  it('are valid OpenAPI 3.1, with schemas that are there and used', async () => {
    const { errors } = await new Validator().validate(JSON.parse(JSON.stringify(described)) as Record<string, unknown>)
    expect(errors ?? []).toEqual([])
    const named = new Set(refsIn(described).map((ref) => ref.replace('#/components/schemas/', '')))
    expect([...named].toSorted()).toEqual(Object.keys(described.components.schemas).toSorted())
  })
})

describe("OpenAI's routes in the description", () => {
  const described = describeApi('0.0.1', { openAi: ['llama', 'other'] }) as typeof document
  const own = Object.entries(described.paths).filter(([path]) => document.paths[path] === undefined)

  it('are there only where a model answers them', () => {
    const paths = own.map(([path]) => path)
    expect(paths).toContain('/openai/v1/chat/completions')
    expect(paths).toContain('/v1/chat/completions')
    expect(paths).toContain('/openai/v1/models')
    expect(JSON.stringify(own)).toContain('"enum":["llama","other"]')
    expect(document.paths['/openai/v1/models']).toBeUndefined()
  })

  it('are valid OpenAPI 3.1, with ids of their own', async () => {
    const { errors } = await new Validator().validate(JSON.parse(JSON.stringify(described)) as Record<string, unknown>)
    expect(errors ?? []).toEqual([])
    const ids = Object.values(described.paths).flatMap((path) =>
      ['get', 'post'].flatMap((method) => path[method]?.operationId ?? []),
    )
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('exist', async () => {
    for (const [path, { post }] of own) {
      if (post === undefined) continue
      const answer = await app.inject({ method: 'POST', url: path, payload: '{}' })
      expect({ path, status: answer.statusCode, shape: answer.json<object>() }).toMatchObject({
        path,
        status: 400,
        shape: { error: { message: expect.stringContaining("'model' must name") as unknown } },
      })
    }
  })
})

describe('/docs', () => {
  it('serves the page and everything that it names', async () => {
    const page = await app.inject('/docs')
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    const urls = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(urls.length).toBe(4)
    for (const url of urls) {
      expect(url).toMatch(/^\/docs\//)
      expect((await app.inject(url)).statusCode).toBe(200)
    }
  })

  it.each(['/docs/package.json', '/docs/..%2Fpackage.json', '/docs/index.html'])(
    'serves no other file: %s',
    async (url) => {
      const answer = await app.inject(url)
      expect(answer.statusCode).toBe(404)
      expect(answer.json()).toEqual({ error: 'Not Found' })
    },
  )
})
