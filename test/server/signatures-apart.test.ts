/** Several signatures of one model behind the doors: kept apart, passed on by proxies, and asked for from a shell. */
import { describe, expect, it } from 'vitest'
import { runInfer } from '../../src/cli/infer.ts'
import { hookedSignatures } from '../../src/repository/served-metadata.ts'
import { catchIo } from '../cli/io.ts'
import { directoryWith } from '../repository/directories.ts'
import { proxied } from '../runtimes/proxy-support.ts'
import { askers, exampleBytes, exampleOf, int64, own, signatures, start, there } from './several-signatures.ts'

describe('servable infer', () => {
  it('takes a whole V1 request for any signature', async () => {
    const { url } = await start()
    const directory = await directoryWith({ 'twice.json': '{"signature_name": "twice", "instances": [3, 4]}' })
    const io = catchIo()
    const given = ['--protocol', 'v1', '--input', `@${directory}/twice.json`, '--json']
    expect([await runInfer([url.http, 'several', ...given], io), io.err()]).toEqual([0, ''])
    expect(JSON.parse(io.out())).toMatchObject({ outputs: [{ name: 'b', datatype: 'INT64', data: [6, 8] }] })
  })
})

describe('requests for several signatures', () => {
  it('share no runs with each other, and no kept answers', async () => {
    const scheduling = { batching: 'on' } as const
    const { v2, batches } = await start((model) => ({ ...model, scheduling, isCached: true }))
    const bytes = (name: string) => ({
      inputs: [{ name: 'inputs', datatype: 'BYTES', shape: [1], data: ['abc'] }],
      parameters: { signature_name: name },
    })
    const ask = (): Promise<readonly { readonly body: object }[]> =>
      Promise.all(['regress_length', 'classify_length'].map((name) => v2(bytes(name))))
    const names = async () => (await ask()).map(({ body }) => body)
    const expected = [{ outputs: [{ name: 'outputs', data: [3] }] }, { outputs: [{ name: 'scores', data: [3] }] }]
    expect(await names()).toMatchObject(expected)
    expect(await names()).toMatchObject(expected)
    expect(batches).toHaveLength(2) // the second time both are kept
  })

  it('reach the first alone where hooks are made for it', () => {
    const metadata = { platform: 'test', inputs: own.inputs, outputs: own.outputs, signatures }
    expect(hookedSignatures(metadata, [{ labels: new Map() }])).toEqual({})
    expect(hookedSignatures(metadata, [{ preprocess: async (request) => request }])).toEqual({ signatures: [own] })
  })
})

describe.each([
  ['v1', 'http'],
  ['grpc-v1', 'grpc'],
] as const)('a model with several signatures behind %s', (protocol, door) => {
  it('has them all', async () => {
    const { url } = await start()
    const proxy = await proxied({ profile: 'tfserving', protocol, upstreams: [url[door]], model: 'several' })
    const { v1, v2, serving, spec } = askers(proxy.url, 'half')
    expect((await v1('predict', { signature_name: 'twice', instances: [1, 2] })).body).toEqual({ predictions: [2, 4] })
    expect((await v1('predict', { instances: [1.5] })).body).toEqual({ predictions: [2.5] })
    const parameters = { signature_name: 'twice' }
    expect((await v2(int64([5], { parameters }))).body).toMatchObject({ outputs: [{ datatype: 'INT64', data: [10] }] })
    const input = { example_list: { examples: [exampleOf(1.5)] } }
    const { result } = await serving.call('Regress', { ...spec('regress_length'), input })
    expect(result).toEqual({ regressions: [{ value: exampleBytes }] })
    expect((await v1('predict', { signature_name: 'nope', instances: [1] })).body['error']).toContain(there)
    const described: unknown = await (await fetch(`${proxy.url.http}/v1/models/half/metadata`)).json()
    const upstream: unknown = await (await fetch(`${url.http}/v1/models/several/metadata`)).json()
    expect(described).toMatchObject({ metadata: (upstream as { metadata: object }).metadata })
  })
})
