/** What TF Serving's services tell of models: signatures and states. */
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { simple } from './models.ts'
import {
  failsWith,
  literally,
  messageCodec,
  startServing,
  type ServingClient,
  type ServingHarness,
} from './tfserving-client.ts'

let harness: ServingHarness
let client: ServingClient
beforeAll(async () => {
  harness = await startServing({ simple })
  client = harness.client
})
afterAll(() => harness.close())

describe('GetModelMetadata', () => {
  const ask = (spec: object, ...fields: readonly string[]) =>
    client.call('GetModelMetadata', { model_spec: spec, metadata_field: fields })

  it('answers the signature of a model as Any', async () => {
    const answer = await ask({ name: 'simple' }, 'signature_def')
    expect(answer.model_spec).toMatchObject({ name: 'simple', version: { value: '1' }, signature_name: '' })
    const { type_url: type, value } = answer.metadata['signature_def'] as { type_url: string; value: Buffer }
    expect(type).toBe('type.googleapis.com/tensorflow.serving.SignatureDefMap')
    const info = (name: string) => ({
      name: `${name}:0`,
      encoding: 'name',
      dtype: 'DT_INT32',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '16', name: '' },
        ],
        unknown_rank: false,
      },
    })
    expect(messageCodec('tensorflow.serving.SignatureDefMap').decode(value)).toEqual({
      signature_def: {
        serving_default: {
          inputs: { INPUT0: info('INPUT0'), INPUT1: info('INPUT1') },
          outputs: { OUTPUT0: info('OUTPUT0'), OUTPUT1: info('OUTPUT1') },
          method_name: 'tensorflow/serving/predict',
          defaults: {},
        },
      },
    })
  })

  it('refuses other fields, none, and unknown models', async () => {
    await failsWith(
      ask({ name: 'simple' }, 'graph'),
      status.INVALID_ARGUMENT,
      literally('Metadata field graph is not supported'),
    )
    await failsWith(ask({ name: 'simple' }), status.INVALID_ARGUMENT, /at least one metadata_field/)
    await failsWith(ask({ name: 'foo' }, 'signature_def'), status.NOT_FOUND, /Latest\(foo\)/)
  })
})

describe('GetModelStatus', () => {
  const ask = (spec: object) => client.call('GetModelStatus', { model_spec: spec })

  it('answers every version, newest first', async () => {
    await harness.server.add('two', simple, '9')
    await harness.server.add('two', simple, '10')
    await harness.server.repository.unload({ name: 'two', version: '9' })
    const ok = { error_code: 'OK', error_message: '' }
    expect((await ask({ name: 'two' })).model_version_status).toEqual([
      { version: '10', state: 'AVAILABLE', status: ok },
      { version: '9', state: 'END', status: ok },
    ])
    expect((await ask({ name: 'two', version: { value: 9 } })).model_version_status).toHaveLength(1)
  })

  it('tells why a version failed', async () => {
    await harness.server.repository.load({
      ref: { name: 'torn', version: '1' },
      runtime: 'test',
      load: () => Promise.reject(new Error('no such file')),
    })
    expect((await ask({ name: 'torn' })).model_version_status).toMatchObject([
      { state: 'END', status: { error_code: 'INTERNAL' } },
    ])
    await harness.server.repository.unload({ name: 'torn' })
  })

  it('answers NOT_FOUND for an unknown model and version', async () => {
    await failsWith(ask({ name: 'foo' }), status.NOT_FOUND, literally('Could not find any versions of model foo'))
    await failsWith(
      ask({ name: 'simple', version: { value: 7 } }),
      status.NOT_FOUND,
      literally('Could not find version 7 of model simple'),
    )
    await failsWith(client.call('GetModelStatus', {}), status.INVALID_ARGUMENT, literally('Missing ModelSpec'))
  })
})
