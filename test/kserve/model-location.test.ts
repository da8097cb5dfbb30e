/** Where the files of a model lie. */
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { locate } from '../../src/kserve/model-location.ts'

const claims = new Map([['models', '/volumes/models']])
const at = (uri: string) => locate(uri, '/srv/deploy/isvc.yaml', claims)

describe('a storageUri', () => {
  it.each([
    ['file:///models/iris', '/models/iris'],
    ['file://models/iris', '/srv/deploy/models/iris'],
    ['file://../iris', '/srv/iris'],
    ['/models/iris', '/models/iris'],
    ['./iris', '/srv/deploy/iris'],
    ['pvc://models/iris/1', '/volumes/models/iris/1'],
    ['pvc://models', '/volumes/models'],
    ['pvc://models/', '/volumes/models'],
  ])('%s is the path %s', (uri, path) => {
    expect(at(uri)).toEqual({ kind: 'path', path: resolve(path) })
  })

  it.each(['s3://bucket/iris', 'gs://b/iris', 'https://host/iris.onnx', 'hf://owner/model'])(
    '%s is fetched from where it lies',
    (uri) => {
      expect(at(uri)).toEqual({ kind: 'remote', uri })
    },
  )

  it.each([
    ['oci+native://registry/iris', /^oci\+native:\/\/ is not fetched; download the model/],
    ['hdfs://user:hunter2@host/iris', /^hdfs:\/\/ is not fetched/],
    ['fiel:///iris', /^Cannot recognize storage type 'fiel': did you mean 'file:\/\/'\?$/],
    ['quux://x', /^Cannot recognize storage type 'quux': there are file:\/\/ and pvc:\/\/$/],
    ['pvc://other/iris', /^no directory stands for the claim 'other': give it as --pvc other=PATH$/],
    ['pvc://model/iris', /did you mean 'models'\?$/],
    ['pvc://models/../../etc', /^the path leads out of the claim 'models'$/],
    ['', /^is empty/],
    ['file://', /^has no path/],
  ])('%s is refused', (uri, message) => {
    const location = at(uri)
    expect(location).toEqual({ kind: 'refused', message: expect.stringMatching(message) as string })
    expect(JSON.stringify(location)).not.toContain('hunter2')
  })
})
