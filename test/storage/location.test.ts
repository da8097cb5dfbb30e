import { describe, expect, it } from 'vitest'
import { isUri, locationOf, shownUri } from '../../src/storage/location.ts'

const claims = new Map([['models', '/srv/claims/models']])
const at = (uri: string) => locationOf(uri, claims, '/srv')

describe('a URI', () => {
  it.each([
    ['iris', { kind: 'local', path: '/srv/iris' }],
    ['file:///srv/models', { kind: 'local', path: '/srv/models' }],
    ['file:///srv/a%20b', { kind: 'local', path: '/srv/a b' }],
    ['file:///srv/100%', { kind: 'local', path: '/srv/100%' }],
    ['file://models/iris', { kind: 'local', path: '/srv/models/iris' }],
    ['pvc://models/iris/1', { kind: 'local', path: '/srv/claims/models/iris/1' }],
    ['pvc://models', { kind: 'local', path: '/srv/claims/models' }],
  ])('%s lies on this machine', (uri, expected) => {
    expect(at(uri)).toEqual(expected)
  })

  it.each([
    ['s3://bucket/models', 's3'],
    ['gs://bucket/models', 'gs'],
    ['hf://owner/model:main', 'hf'],
    ['https://host/model.onnx', 'http'],
    ['https://account.blob.core.windows.net/container/iris', 'azure'],
    ['https://account.z12.blob.storage.azure.net/container/iris', 'azure'],
    ['https://evil.example/account.blob.core.windows.net/iris', 'http'],
    ['abfss://container@account.dfs.core.windows.net/iris', 'azure'],
  ])('%s is of the store %s', (uri, kind) => {
    expect(at(uri)).toEqual({ kind, uri })
  })

  it.each([
    ['pvc://others/iris', /no directory stands for the claim 'others': give it as --pvc others=PATH/],
    ['pvc://model/iris', /did you mean 'models'/],
    ['pvc://models/../../etc', /leads out of the claim 'models'/],
    ['hdfs://host/models', /hdfs:\/\/ is not fetched/],
    ['oci://registry/model', /mount the image/],
    ['https://account.file.core.windows.net/share', /mount the share/],
    ['https://host/models.git', /git repositories/],
    ['s4://bucket/models', /Cannot recognize storage type for s4:\/\/: did you mean s3/],
    ['file://', /has no path/],
  ])('%s is refused', (uri, message) => {
    expect(() => at(uri)).toThrow(message)
  })

  it('is shown without what may be a secret', () => {
    expect(shownUri('https://me:pw@host/model.onnx?X-Amz-Signature=abc#top')).toBe('https://host/model.onnx')
    expect(shownUri('abfss://container@account.dfs.core.windows.net/iris')).toBe(
      'abfss://container@account.dfs.core.windows.net/iris',
    )
    expect(shownUri('/srv/models')).toBe('/srv/models')
  })

  it('is told from a path', () => {
    expect(['s3://b', 'HTTPS://h/x', './models', '/a:b//c', 'C://models'].map(isUri)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
  })
})
