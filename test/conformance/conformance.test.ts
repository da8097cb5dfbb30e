/** Every case over every wire that can say it: the same answer, and the status that the wire has for the error. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { TestClient } from '../grpc/support.ts'
import { ServingClient } from '../grpc/tfserving-client.ts'
import { cases, wires, type ConformanceCase, type Wire } from './cases.ts'
import { rounded } from './json.ts'
import { models } from './models.ts'
import { statuses, type NeutralAnswer, type NeutralRefusal } from './neutral.ts'
import { expectedV1, send, sendV1, type Doors } from './wires.ts'

let server: Server
let doors: Doors
beforeAll(async () => {
  server = await createServer({ models, log: silentLog, httpPort: 0, grpcPort: 0, terminationLog: '/nowhere' })
  const { http, grpc = '' } = await server.start()
  const port = Number(grpc.split(':').at(-1))
  const rpc = new TestClient('inference.GRPCInferenceService', port)
  doors = { http, rpc, serving: new ServingClient(port) }
})
afterAll(async () => {
  doors.rpc.close()
  doors.serving.close()
  await server.close()
})

function isV1(wire: Wire): wire is 'V1 rows' | 'V1 columns' {
  return wire === 'V1 rows' || wire === 'V1 columns'
}

function expectRefusal({ error }: ConformanceCase, wire: Wire, refusal: NeutralRefusal | undefined): void {
  if (error === undefined) throw new Error(`refused: ${refusal?.status} ${refusal?.message}`)
  const expected = statuses[error.code]
  expect(refusal).toEqual({
    status: wire.startsWith('gRPC') ? expected?.grpc : expected?.http,
    message: expect.stringContaining(error.contains) as string,
  })
}

async function check(wire: Wire, entry: ConformanceCase): Promise<void> {
  const { request, outputs = [], version = '1' } = entry
  const outcome = isV1(wire) ? await sendV1(doors, request, wire) : await send[wire](doors, request)
  if ('refusal' in outcome || entry.error !== undefined) {
    return expectRefusal(entry, wire, 'refusal' in outcome ? outcome.refusal : undefined)
  }
  if ('v1' in outcome) {
    const isFloat = outputs.some(({ datatype }) => datatype === 'FP32')
    const shown = (value: unknown): unknown => (isFloat ? rounded(value) : value)
    if (isV1(wire)) expect(shown(outcome.v1)).toEqual(shown(expectedV1(outputs, wire)))
    return
  }
  const expected: NeutralAnswer = { model: request.model, version, outputs }
  const { id, ...answer } = outcome.answer
  expect(answer).toEqual(expected)
  if (request.id !== undefined) expect(id).toBe(request.id)
}

describe.each(wires)('over %s', (wire) => {
  const said = cases.filter(({ not }) => not?.[wire] === undefined)
  it.each(said)('$rule', (entry) => check(wire, entry))
})

interface Described {
  readonly name: string
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly unknown[]
  readonly outputs: readonly unknown[]
}

async function overRest(path: string): Promise<{ readonly status: number; readonly json: Described }> {
  const response = await fetch(`${doors.http}${path}`)
  return { status: response.status, json: (await response.json()) as Described } // compared with what gRPC says
}

describe('REST and gRPC tell the same', () => {
  it('of the server', async () => {
    const { name, version, extensions } = await doors.rpc.call('ServerMetadata', {})
    expect((await overRest('/v2')).json).toEqual({ name, version, extensions })
  })

  it.each(['simple', 'identity_bytes', 'versioned', 'optional'])('of the model %s', async (name) => {
    const { json } = await overRest(`/v2/models/${name}`)
    const { versions, platform, inputs, outputs } = json
    const answer = (await doors.rpc.call('ModelMetadata', { name })) as unknown as Described // the same fields
    const numbered = (tensors: readonly unknown[]) =>
      tensors.map((tensor) => {
        const { name, datatype, shape } = tensor as {
          name: string
          datatype: string
          shape: readonly (string | number)[]
        }
        return { name, datatype, shape: shape.map(Number) }
      })
    expect({ ...answer, inputs: numbered(answer.inputs), outputs: numbered(answer.outputs) }).toMatchObject({
      versions,
      platform,
      inputs: numbered(inputs),
      outputs: numbered(outputs),
    })
  })

  it.each([
    ['simple', '', true],
    ['simple', '1', true],
    ['simple', '99', false],
    ['nope', '', false],
    ['unloadable', '', false],
  ])('whether model %s version %j is ready: %s', async (name, version, isReady) => {
    const { status } = await overRest(`/v2/models/${name}${version === '' ? '' : `/versions/${version}`}/ready`)
    expect(status === 200).toBe(isReady)
    expect((await doors.rpc.call('ModelReady', { name, version })).ready).toBe(isReady)
  })

  it('whether the server is ready: not while a model is not', async () => {
    expect((await overRest('/v2/health/live')).status).toBe(200)
    expect((await doors.rpc.call('ServerLive', {})).live).toBe(true)
    expect((await overRest('/v2/health/ready')).status).toBe(503)
    expect((await doors.rpc.call('ServerReady', {})).ready).toBe(false)
  })
})
