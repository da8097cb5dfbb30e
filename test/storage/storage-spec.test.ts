import { describe, expect, it } from 'vitest'
import { fillPlaceholder, storageOf, withStorageConfig } from '../../src/storage/storage-spec.ts'

const entry = {
  type: 's3',
  access_key_id: 'id-1',
  secret_access_key: 'secret-1',
  endpoint_url: 'http://minio:9000',
  bucket: 'models',
  region: 'eu-central-1',
  anonymous: '',
}
const secret = {
  localMinIO: JSON.stringify(entry),
  default: JSON.stringify({ ...entry, bucket: 'fallback' }),
  default_s3: JSON.stringify({ ...entry, bucket: 'of-type' }),
  broken: '{"type": "s3", "secret_access_key": "secret-2"',
  distributed: JSON.stringify({ type: 'hdfs' }),
}

describe('a storage spec', () => {
  it('takes bucket and credentials from its entry', () => {
    expect(storageOf({ key: 'localMinIO', path: 'iris/1' }, secret)).toEqual({
      uri: 's3://models/iris/1',
      environment: {
        AWS_ENDPOINT_URL: 'http://minio:9000',
        AWS_ACCESS_KEY_ID: 'id-1',
        AWS_SECRET_ACCESS_KEY: 'secret-1',
        AWS_DEFAULT_REGION: 'eu-central-1',
      },
    })
  })

  it.each([
    [{ path: 'x' }, 's3://fallback/x'],
    [{ path: 'x', parameters: { type: 's3' } }, 's3://of-type/x'],
    [{ key: 'localMinIO', path: '/x', parameters: { bucket: 'mine' } }, 's3://mine/x'],
  ])('%j is %s', (spec, uri) => {
    expect(storageOf(spec, secret).uri).toBe(uri)
  })

  it('needs no entry where its parameters say all', () => {
    const spec = { path: 'x', parameters: { type: 's3', bucket: 'open', anonymous: 'true' } }
    expect(storageOf(spec, undefined)).toEqual({
      uri: 's3://open/x',
      environment: { awsAnonymousCredential: 'true' },
    })
  })

  it.each([
    [
      { key: 'absent', path: 'x' },
      /specified storage key 'absent' not found in the storage secret \(it has localMinIO/,
    ],
    [{ key: 'toString', path: 'x' }, /'toString' not found/],
    [{ key: 'broken', path: 'x' }, /entry 'broken' of the storage secret: expected a JSON object/],
    [{ key: 'distributed', path: 'x' }, /the type 'hdfs' of 'distributed' is not served/],
    [{ path: 'x', parameters: { type: 's3', bucket: '' } }, /'default_s3' has no bucket/],
  ])('%j is refused without a secret in the message', (spec, message) => {
    expect(() => storageOf(spec, secret)).toThrow(message)
    expect(() => storageOf(spec, secret)).not.toThrow(/secret-\d/)
  })
})

describe('STORAGE_CONFIG', () => {
  const environment = {
    AWS_ACCESS_KEY_ID: 'of-the-process',
    STORAGE_CONFIG: JSON.stringify(entry),
    STORAGE_OVERRIDE_CONFIG: '{"bucket": "mine", "region": "us-west-2"}',
  }

  it('stands over the environment, and STORAGE_OVERRIDE_CONFIG over it', () => {
    expect(withStorageConfig(environment)).toMatchObject({
      AWS_ACCESS_KEY_ID: 'id-1',
      AWS_DEFAULT_REGION: 'us-west-2',
    })
    expect(fillPlaceholder('<scheme-placeholder>://iris', environment)).toBe('s3://mine/iris')
  })

  it('is complained of by name', () => {
    expect(() => withStorageConfig({ STORAGE_CONFIG: 'secret-3' })).toThrow('STORAGE_CONFIG: expected a JSON object')
    expect(() => withStorageConfig({ STORAGE_CONFIG: 'secret-3' })).not.toThrow('secret-3')
  })
})
