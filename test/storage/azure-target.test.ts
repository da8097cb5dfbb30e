import { describe, expect, it } from 'vitest'
import { azureTarget } from '../../src/storage/azure-target.ts'

const connection =
  'DefaultEndpointsProtocol=http;AccountName=dev;AccountKey=secret=;BlobEndpoint=http://127.0.0.1:10000/dev;'

describe('a place among the blobs of Azure', () => {
  it.each([
    [
      'https://acc.blob.core.windows.net/c/a%20b/iris/',
      { container: 'c', key: 'a b/iris', url: 'https://acc.blob.core.windows.net/c' },
    ],
    ['https://acc.blob.core.windows.net/c?sv=1&sig=s', { key: '', signature: 'sv=1&sig=s' }],
    [
      'abfss://c@acc.dfs.core.windows.net/iris',
      { account: 'acc', key: 'iris', url: 'https://acc.blob.core.windows.net/c' },
    ],
    ['wasbs://c@acc.blob.core.chinacloudapi.cn/iris', { url: 'https://acc.blob.core.chinacloudapi.cn/c' }],
    ['azure://c/iris', { account: 'dev', key: 'iris', url: 'http://127.0.0.1:10000/dev/c' }],
  ])('%s', (uri, expected) => {
    expect(azureTarget(uri, { AZURE_STORAGE_CONNECTION_STRING: connection })).toMatchObject(expected)
  })

  it.each([
    ['https://acc.blob.core.windows.net/', /expected https:\/\/account/],
    ['abfss://acc.dfs.core.windows.net/iris', /expected https:\/\/account/],
    ['azure://c/iris', /set AZURE_STORAGE_ACCOUNT/],
  ])('%s is refused', (uri, message) => {
    expect(() => azureTarget(uri, {})).toThrow(message)
  })
})
