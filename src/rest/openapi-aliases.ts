/** Aliases in the description of the API. */
import { error, jsonOf, operation, ref, type Json } from './openapi-parts.ts'

const name = {
  name: 'alias',
  in: 'path',
  required: true,
  description: 'Name of the alias, percent-encoded.',
  schema: { type: 'string' },
}
const unknown = error('There is no such alias')
const changeErrors = {
  400: error('The name or the body is wrong; the text says what'),
  409: error('The alias is not as expected, then `current` tells what it is; or a model has its name'),
  413: error('The body is larger than the limit'),
  415: error('The Content-Encoding is neither gzip nor deflate'),
  503: error('The server does not change names on request'),
}

/** The paths, their operations and answers. */
export const aliasPaths: Json = {
  '/v2/repository/aliases': {
    get: operation('listAliases', 'V2', 'Other names for models.', { 200: jsonOf('Aliases') }),
  },
  '/v2/repository/aliases/{alias}': {
    parameters: [name],
    get: operation('readAlias', 'V2', 'What a name leads to.', { 200: jsonOf('Alias'), 404: unknown }),
    put: {
      ...operation('setAlias', 'V2', 'Makes an alias, or leads it elsewhere from the next request on.', {
        200: jsonOf('Alias'),
        ...changeErrors,
        404: error('There is no model, or no version, that a target names'),
      }),
      requestBody: { required: true, content: { 'application/json': { schema: ref('AliasChange') } } },
    },
    delete: {
      ...operation('deleteAlias', 'V2', 'Deletes an alias.', {
        200: jsonOf('AliasDeleted'),
        ...changeErrors,
        404: unknown,
      }),
      requestBody: { content: { 'application/json': { schema: ref('AliasExpectation') } } },
    },
  },
}

const targets = { type: 'array', minItems: 1, items: ref('AliasTarget') }
const expected = {
  ...targets,
  type: ['array', 'null'],
  description: 'Its targets now, or null where there is none: otherwise nothing is changed.',
}

/** What they take and answer. */
export const aliasSchemas: Json = {
  AliasTarget: {
    type: 'object',
    additionalProperties: false,
    properties: {
      model: { type: 'string', minLength: 1 },
      version: {
        anyOf: [
          { type: 'string', pattern: '^[0-9]+$' },
          { type: 'integer', minimum: 0 },
        ],
      },
      weight: { type: 'number', minimum: 0, default: 1, description: 'Its part in the sum of all weights.' },
    },
    required: ['model'],
  },
  Alias: { type: 'object', properties: { name: { type: 'string' }, targets }, required: ['name', 'targets'] },
  Aliases: { type: 'object', properties: { aliases: { type: 'array', items: ref('Alias') } }, required: ['aliases'] },
  AliasChange: { type: 'object', properties: { targets, expected }, required: ['targets'] },
  AliasExpectation: { type: 'object', properties: { expected } },
  AliasDeleted: {
    type: 'object',
    properties: { name: { type: 'string' }, deleted: { const: true } },
    required: ['name', 'deleted'],
  },
}
