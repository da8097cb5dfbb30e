/** Where models of manifests are fetched from, and the credentials that Secrets and accounts give. */
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { ManifestBench, service } from './support.ts'

const bench = new ManifestBench()
afterAll(() => bench.close())

/** Credentials as they would be revealed. */
async function located(text: string) {
  const planned = await bench.plan(text)
  const [model] = planned.models
  const credentials = Object.fromEntries([...(model?.credentials ?? [])].map(([name, value]) => [name, value.reveal()]))
  return { planned, path: model?.path, credentials }
}

const account = (secrets: string, name = 'loader') =>
  `---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: ${name}}\nsecrets: [${secrets}]\n`
const secret = (name: string, data: string, annotations = '') =>
  `---\napiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, annotations: {${annotations}}}\nstringData: {${data}}\n`
const s3 = service('serviceAccountName: loader\nonnx: {storageUri: "s3://b/iris"}')

describe('an account', () => {
  it('gives the keys and the endpoint of S3', async () => {
    const keys = 'AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: hunter2'
    const where =
      'serving.kserve.io/s3-endpoint: "minio:9000", serving.kserve.io/s3-usehttps: "0", serving.kserve.io/s3-region: eu'
    const { path, credentials, planned } = await located(
      `${s3}${account('{name: keys}')}${secret('keys', keys, where)}`,
    )
    expect(path).toBe('s3://b/iris')
    expect(credentials).toEqual({
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'hunter2',
      AWS_ENDPOINT_URL: 'http://minio:9000',
      AWS_DEFAULT_REGION: 'eu',
    })
    expect(planned.warnings).toEqual([])
    expect(inspect(planned, { depth: 10 }) + JSON.stringify(planned)).not.toContain('hunter2')
  })

  it.each([
    ['{AZ_CLIENT_ID: a, AZURE_STORAGE_ACCESS_KEY: k}', { AZURE_CLIENT_ID: 'a', AZURE_STORAGE_ACCESS_KEY: 'k' }],
    ['{HF_TOKEN: t}', { HF_TOKEN: 't' }],
    [`{https-host: models.org, headers: '{"a": "b"}'}`, { 'models.org-headers': '{"a": "b"}' }],
    [`{gcloud-application-credentials.json: '{}'}`, { GOOGLE_APPLICATION_CREDENTIALS_JSON: '{}' }],
    ['{other: x}', {}],
  ])('gives of %s what stores read', async (data, expected) => {
    const text = `${s3}${account('{name: gone}, {name: one}')}${secret('one', data.slice(1, -1))}`
    expect((await located(text)).credentials).toEqual(expected)
  })

  it('is the default one of the namespace where none is named', async () => {
    const text = service('onnx: {storageUri: "hf://o/m"}')
    const { credentials } = await located(`${text}${account('{name: one}', 'default')}${secret('one', 'HF_TOKEN: t')}`)
    expect(credentials).toEqual({ HF_TOKEN: 't' })
  })

  it('that no manifest has is told', async () => {
    expect(bench.plain((await located(s3)).planned.warnings)).toEqual([
      'm.yaml:5: spec.predictor: only a cluster can honour serviceAccountName',
    ])
  })
})

describe('a storage spec', () => {
  const entry = `minio: '{"type": "s3", "bucket": "models", "access_key_id": "id", "endpoint_url": "http://minio:9000"}'`

  it('names an entry of the Secret of the namespace', async () => {
    const text = service('onnx: {storage: {key: minio, path: iris}}')
    const { path, credentials } = await located(`${text}${secret('storage-config', entry)}`)
    expect(path).toBe('s3://models/iris')
    expect(credentials).toEqual({ AWS_ACCESS_KEY_ID: 'id', AWS_ENDPOINT_URL: 'http://minio:9000' })
  })

  it('takes another Secret by annotation, and parameters over the entry', async () => {
    const metadata = ', annotations: {serving.kserve.io/storageSecretName: mine}'
    const text = service('onnx: {storage: {key: minio, path: iris, parameters: {bucket: other}}}', 'iris', metadata)
    const { path, planned } = await located(`${text}${secret('mine', entry)}`)
    expect(path).toBe('s3://other/iris')
    expect(planned.warnings).toEqual([])
  })

  it('that cannot be read is told by field, without what is secret', async () => {
    const text = service('onnx: {storage: {key: minio, path: iris}}')
    const [told, ...others] = await bench.mistakes(bench.plan(`${text}${secret('storage-config', 'minio: hunter2')}`))
    expect(told).toMatch(
      /^m\.yaml:6: spec\.predictor\.onnx\.storage: entry 'minio' of the storage secret: expected a JSON/,
    )
    expect(told).not.toContain('hunter2')
    expect(others).toEqual([])
  })
})
