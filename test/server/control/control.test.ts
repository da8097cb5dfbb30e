/** KServe's objects of a running server: applied, shown, rolled out, deleted over its control API. */
import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createClient } from '../../../src/client/index.ts'
import type { ServerOptions } from '../../../src/server/server.ts'
import type { ControlledServer } from './support.ts'
import { isBlocked, isReady, isvcText, services, startControlled, v2Request } from './support.ts'

const open: ControlledServer[] = []
afterEach(async () => {
  for (const { server } of open.splice(0)) await server.close()
})

async function start(options: ServerOptions = {}): Promise<ControlledServer> {
  const controlled = await startControlled(options)
  open.push(controlled)
  return controlled
}

async function applied(model: string, more: readonly string[] = []): Promise<ControlledServer> {
  const controlled = await start()
  expect(await controlled.apply(isvcText(model, more))).toMatchObject({ code: 201, outcome: 'created' })
  await controlled.until(isReady)
  return controlled
}

describe('an applied InferenceService', () => {
  it('is served, listed and shown as a cluster shows it', async () => {
    const controlled = await applied('iris')
    expect(await controlled.answerer()).toBe('iris')
    const { body } = await controlled.call('GET', `${services}/flowers`)
    expect(body).toMatchObject({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name: 'flowers', namespace: 'default', generation: 1 },
      spec: { predictor: { model: { modelFormat: { name: 'onnx' } } } },
      status: {
        url: 'http://flowers.default.example.com',
        address: { url: `${controlled.http}/serving/default/flowers` },
        components: {
          predictor: {
            latestCreatedRevision: 'flowers-predictor-00001',
            latestReadyRevision: 'flowers-predictor-00001',
            latestRolledoutRevision: 'flowers-predictor-00001',
            traffic: [{ latestRevision: true, percent: 100, revisionName: 'flowers-predictor-00001' }],
          },
        },
        modelStatus: {
          copies: { failedCopies: 0, totalCopies: 1 },
          states: { activeModelState: 'Loaded', targetModelState: 'Loaded' },
          transitionStatus: 'UpToDate',
        },
      },
    })
    const { conditions } = body.status ?? { conditions: [] }
    expect(conditions.find(({ type }) => type === 'Ready')).toEqual({
      type: 'Ready',
      status: 'True',
      lastTransitionTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as unknown,
    })
    expect((await controlled.call('GET', services)).body).toMatchObject({
      kind: 'InferenceServiceList',
      items: [{ metadata: { name: 'flowers' } }],
    })
    expect(
      (await controlled.call('GET', '/apis/serving.kserve.io/v1beta1/inferenceservices')).body['items'],
    ).toHaveLength(1)
  })

  it('is unchanged where it says the same, and then has no other revision', async () => {
    const controlled = await applied('iris')
    expect(await controlled.apply(isvcText('iris'))).toMatchObject({ code: 200, outcome: 'unchanged' })
    expect(await controlled.apply(isvcText('iris', ['timeout: 20']))).toMatchObject({
      code: 200,
      outcome: 'configured',
    })
    const { status } = (await controlled.call('GET', `${services}/flowers`)).body
    expect(status?.components.predictor).toMatchObject({ latestCreatedRevision: 'flowers-predictor-00002' })
  })

  it('takes the place of the earlier revision once it is ready', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('iris-labels'))
    const status = await controlled.until(isReady)
    expect(status.components.predictor.traffic).toMatchObject([
      { percent: 100, revisionName: 'flowers-predictor-00002' },
    ])
    expect(await controlled.answerer()).toBe('iris-labels')
    expect(await controlled.answerer({}, '/v2/models/flowers-predictor-00001/infer')).toContain('404')
  })

  it('is refused with file, line and field, and nothing changes', async () => {
    const controlled = await applied('iris')
    const { code, body } = await controlled.apply(isvcText('iris').replace('name: onnx', 'name: pmml'))
    expect(code).toBe(422)
    expect(body).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Invalid' })
    expect(body.message).toMatch(/^isvc\.yaml:7: spec\.predictor\.model\.modelFormat\.name: /)
    expect(body['details']).toMatchObject({ causes: [{ field: 'spec.predictor.model.modelFormat.name' }] })
    expect((await controlled.apply('a: [', 'flowers')).body.message).toMatch(/^isvc\.yaml:1: /)
    expect((await controlled.apply(isvcText('iris'), 'other')).body.message).toContain("the path says 'other'")
    expect(await controlled.answerer()).toBe('iris')
  })

  it('is in the namespace of the path where it names none', async () => {
    const controlled = await start()
    const elsewhere = services.replace('default', 'team')
    expect((await controlled.call('PUT', `${elsewhere}/flowers`, isvcText('iris'))).body['metadata']).toMatchObject({
      namespace: 'team',
    })
    expect((await controlled.call('GET', services)).body['items']).toEqual([])
    expect((await controlled.call('GET', `${elsewhere}/flowers`)).code).toBe(200)
    const { code, body } = await controlled.apply(isvcText('iris'))
    expect(code).toBe(422)
    expect(body.message).toContain("in the namespaces 'team'")
  })

  it('is gone once it is deleted', async () => {
    const controlled = await applied('iris')
    expect((await controlled.call('DELETE', `${services}/flowers`)).code).toBe(200)
    expect(await controlled.answerer()).toContain('404')
    expect(await controlled.call('GET', `${services}/flowers`)).toMatchObject({
      code: 404,
      body: { reason: 'NotFound', message: 'inferenceservices.serving.kserve.io "flowers" not found' },
    })
    await controlled.apply(isvcText('iris-labels'))
    await controlled.until(isReady)
    expect(await controlled.answerer()).toBe('iris-labels')
  })
})

describe('a canary', () => {
  it('gets its share of the requests, all of them once promoted, and none once undone', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 20']))
    const status = await controlled.until(isReady)
    expect(status.components.predictor).toMatchObject({
      latestRolledoutRevision: 'flowers-predictor-00001',
      traffic: [
        {
          latestRevision: true,
          percent: 20,
          tag: 'latest',
          url: 'http://latest-flowers-predictor.default.example.com',
        },
        { latestRevision: false, percent: 80, tag: 'prev' },
      ],
    })
    const answers = await Promise.all(Array.from({ length: 500 }, () => controlled.answerer()))
    const share = answers.filter((name) => name === 'iris-labels').length / 5
    expect(answers.filter((name) => !/^iris(-labels)?$/.test(name))).toEqual([])
    expect(Math.abs(share - 20)).toBeLessThanOrEqual(2)
    const metrics = await (await fetch(`${controlled.http}/metrics`)).text()
    const counted =
      /^servable_revision_requests_total\{model="flowers",revision="flowers-predictor-00002"\} (\d+)$/m.exec(
        metrics,
      )?.[1]
    expect(Math.abs(Number(counted) - 100)).toBeLessThanOrEqual(10)
    expect((await controlled.call('POST', `${services}/flowers/promote`)).body).toMatchObject({
      spec: { predictor: { canaryTrafficPercent: 100 } },
    })
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => controlled.answerer())))).toEqual(
      new Set(['iris-labels']),
    )
    expect((await controlled.call('POST', `${services}/flowers/promote`)).code).toBe(409)
    await controlled.call('POST', `${services}/flowers/undo`)
    await controlled.until((now) =>
      now.components.predictor.traffic.some(({ revisionName }) => revisionName.endsWith('1')),
    )
    expect(new Set(await Promise.all(Array.from({ length: 20 }, () => controlled.answerer())))).toEqual(
      new Set(['iris']),
    )
    expect((await controlled.call('POST', `${services}/flowers/undo`)).body.message).toContain(
      'none of the traffic already',
    )
    await controlled.call('POST', `${services}/flowers/promote`)
    expect(await controlled.answerer()).toBe('iris-labels')
  })

  it('gets its share over every protocol, V1, V2 and gRPC', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 20']))
    await controlled.until(isReady)
    const client = createClient(`grpc://${controlled.grpc}`)
    const post = async (path: string, body: object) =>
      (await fetch(`${controlled.http}${path}`, { method: 'POST', body: JSON.stringify(body) })).text()
    const protocols: Readonly<Record<string, () => Promise<string>>> = {
      v1: () => post('/v1/models/flowers:predict', { instances: [[6.3, 3.3, 6, 2.5]] }),
      v2: () => post('/v2/models/flowers/versions/1/infer', v2Request),
      grpc: async () => {
        const { outputs } = await client.infer('flowers', { X: [[6.3, 3.3, 6, 2.5]] })
        return outputs['label']?.datatype === 'BYTES' ? 'virginica' : ''
      },
    }
    for (const [protocol, ask] of Object.entries(protocols)) {
      let canary = 0
      for (let asked = 0; asked < 100; asked++) if ((await ask()).includes('virginica')) canary += 1
      expect({ protocol, isRight: Math.abs(canary - 20) <= 2 }).toEqual({ protocol, isRight: true })
    }
    client.close()
  })

  it('that cannot be loaded leaves the earlier revision serving', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('nowhere'))
    const status = await controlled.until(isBlocked)
    expect(status.modelStatus).toMatchObject({
      copies: { failedCopies: 1, totalCopies: 1 },
      states: { activeModelState: 'Loaded', targetModelState: 'FailedToLoad' },
      lastFailureInfo: {
        reason: 'ModelLoadFailed',
        modelRevisionName: 'flowers-predictor-00002',
        message: expect.stringContaining('nowhere') as unknown,
      },
    })
    expect(status.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ModelLoadFailed',
    })
    expect(status.components.predictor.traffic).toMatchObject([
      { percent: 100, revisionName: 'flowers-predictor-00001' },
    ])
    expect(await controlled.answerer()).toBe('iris')
    expect(controlled.server.dataPlane.isReady).toBe(true)
    expect((await controlled.call('POST', `${services}/flowers/promote`)).code).toBe(409)
    await controlled.apply(isvcText('iris-labels'))
    await controlled.until(isReady)
    expect(await controlled.answerer()).toBe('iris-labels')
  })

  it('is not undone by who unloads its model, nor loaded again by the end of the server', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('iris-labels'))
    await controlled.until(isReady)
    await fetch(`${controlled.http}/v2/repository/models/flowers/unload`, { method: 'POST' })
    expect(await controlled.answerer()).toMatch(/^[45]\d\d /)
    expect(controlled.server.dataPlane.models().map(({ revision, state }) => [revision, state])).toEqual([
      ['flowers-predictor-00002', 'unloaded'],
    ])
  })

  it('of a new service that fails leaves the server ready', async () => {
    const controlled = await start()
    await controlled.apply(isvcText('nowhere'))
    await controlled.until(isBlocked)
    expect(controlled.server.dataPlane.isReady).toBe(true)
    expect((await controlled.status())?.modelStatus.states).toEqual({
      activeModelState: '',
      targetModelState: 'FailedToLoad',
    })
  })

  it('is moved without a failed request', async () => {
    const controlled = await applied('iris')
    const seen = new Map<string, number>()
    let isOver = false
    const callers = Array.from({ length: 4 }, async () => {
      for (let asked = 0; asked < 500 || !isOver; asked++) {
        const name = await controlled.answerer()
        seen.set(name, (seen.get(name) ?? 0) + 1)
      }
    })
    await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 20']))
    await controlled.until(isReady)
    await controlled.call('POST', `${services}/flowers/promote`)
    await controlled.call('POST', `${services}/flowers/undo`)
    await controlled.until((now) => now.components.predictor.traffic[0]?.revisionName.endsWith('1') === true)
    await controlled.call('POST', `${services}/flowers/promote`)
    await controlled.apply(isvcText('iris'))
    await controlled.until(isReady)
    isOver = true
    await Promise.all(callers)
    expect([...seen.keys()].toSorted()).toEqual(['iris', 'iris-labels'])
    expect([...seen.values()].reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(2000)
  })
})

describe('an applied InferenceGraph', () => {
  const path = '/apis/serving.kserve.io/v1alpha1/namespaces/default/inferencegraphs/both'
  const graph = (name: string): string =>
    [
      'apiVersion: serving.kserve.io/v1alpha1',
      'kind: InferenceGraph',
      'metadata: {name: both}',
      'spec:',
      '  nodes:',
      `    root: {routerType: Sequence, steps: [{serviceName: ${name}}]}`,
    ].join('\n')

  it('calls the service by whichever revision has its requests', async () => {
    const controlled = await applied('iris')
    expect((await controlled.call('PUT', path, graph('flowers'))).code).toBe(201)
    const isGraphReady = async () =>
      JSON.stringify((await controlled.call('GET', path)).body.status?.conditions).includes('"True"')
    while (!(await isGraphReady())) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await controlled.answerer({}, '/graphs/both')).toBe('iris')
    await controlled.apply(isvcText('iris-labels'))
    await controlled.until(isReady)
    expect(await controlled.answerer({}, '/graphs/both')).toBe('iris-labels')
    expect((await controlled.call('DELETE', `${services}/flowers`)).body.message).toContain("service 'flowers'")
    expect((await controlled.call('DELETE', path)).code).toBe(200)
    expect((await controlled.call('DELETE', `${services}/flowers`)).code).toBe(200)
    expect(await controlled.answerer({}, '/graphs/both')).toContain('404')
  })

  it('is refused where its service is none', async () => {
    const controlled = await applied('iris')
    const { code, body } = await controlled.call('PUT', `${path}?file=g.yaml`, graph('flower'))
    expect(code).toBe(422)
    expect(body.message).toContain("g.yaml:6: step '0' of node 'root'")
    expect(body.message).toContain("did you mean 'flowers'?")
  })
})

describe('the control API', () => {
  it('knows neither pages of other origins nor names that lead here', async () => {
    const controlled = await start()
    const call = async (headers: Record<string, string>) =>
      (await controlled.call('GET', services, undefined, headers)).code
    expect(await call({})).toBe(200)
    expect(await call({ origin: 'http://evil.example' })).toBe(403)
    expect(await call({ origin: controlled.http })).toBe(200)
    expect(await call({ 'sec-fetch-site': 'cross-site' })).toBe(403)
  })

  it('is closed where it is turned off, and where others can reach the server', async () => {
    const off = await start({ control: 'off' })
    expect((await off.call('GET', services)).code).toBe(404)
    const exposed = await start({ host: '0.0.0.0' })
    expect((await exposed.call('GET', services)).code).toBe(404)
    const opened = await start({ host: '0.0.0.0', control: 'on' })
    expect((await opened.call('GET', services)).code).toBe(200)
  })

  it('refuses hostile texts with their line, and serves on', async () => {
    const controlled = await applied('iris')
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...Array.from(
        { length: 9 },
        (_, at) =>
          `b${at}: &b${at} [${Array(9)
            .fill(`*${at === 0 ? 'a' : `b${at - 1}`}`)
            .join()}]`,
      ),
    ]
    for (const text of [
      bomb.join('\n'),
      '['.repeat(10_000),
      '{"a": '.repeat(10_000),
      isvcText('iris', ['model: {}']),
      'kind: 3',
    ]) {
      const { code, body } = await controlled.apply(text)
      expect(code).toBe(422)
      expect(body.message).toMatch(/^isvc\.yaml:\d+: /)
    }
    expect(await controlled.answerer()).toBe('iris')
  })

  it('answers unknown kinds, parts and methods', async () => {
    const controlled = await start()
    expect((await controlled.call('GET', '/apis/apps/v1/deployments')).code).toBe(404)
    expect((await controlled.call('GET', `${services}/flowers/scale`)).code).toBe(404)
    expect((await controlled.call('PATCH', `${services}/flowers`, '{}')).code).toBe(405)
    expect((await controlled.call('PUT', `${services}/flowers`, 'x'.repeat(4_000_001))).code).toBe(413)
  })
})

describe('the hosts and paths of a service', () => {
  /** fetch sets no Host. */
  const onHost = (controlled: ControlledServer, host: string) =>
    new Promise<string>((resolve, reject) => {
      const url = `${controlled.http}/v2/models/flowers/infer`
      const sent = request(url, { method: 'POST', headers: { host } }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => {
          const type = /"datatype":"(\w+)"/.exec(text)?.[1]
          resolve(response.statusCode === 200 ? (type === 'BYTES' ? 'iris-labels' : 'iris') : text)
        })
      })
      sent.on('error', reject)
      sent.end(JSON.stringify(v2Request))
    })

  it('lead to it, and with a tag to one of its revisions', async () => {
    const controlled = await applied('iris')
    await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 0']))
    await controlled.until(isReady)
    for (const host of [
      'flowers.default.example.com',
      'flowers.default.10.0.0.1.sslip.io:80',
      'flowers-default.example.com',
    ]) {
      expect(await onHost(controlled, host)).toBe('iris')
    }
    expect(await onHost(controlled, 'flowers-predictor.default.example.com')).toBe('iris')
    expect(await onHost(controlled, 'prev-flowers-predictor.default.example.com')).toBe('iris')
    expect(await onHost(controlled, 'latest-flowers-predictor.default.example.com')).toBe('iris-labels')
    expect(await onHost(controlled, 'latest-flowers-predictor-default.default.example.com')).toBe('iris-labels')
    expect(await controlled.answerer({}, '/serving/default/flowers/v2/models/flowers/infer')).toBe('iris')
    expect(await controlled.answerer({}, '/serving/other/flowers/v2/models/flowers/infer')).toContain('404')
    const ready = await fetch(`${controlled.http}/serving/default/flowers?x=1`)
    expect(await ready.json()).toEqual({ status: 'alive' })
  })
})
