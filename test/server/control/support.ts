/** A server under control, its manifests, and callers of its API. */
import { join } from 'node:path'
import { createServer, type Server, type ServerOptions } from '../../../src/server/server.ts'
import { samples } from '../../paths.ts'

export const v2Request = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] }

/** @param model of the samples: `iris` answers with numbers, `iris-labels` with names */
export function isvcText(model: string, more: readonly string[] = [], name = 'flowers'): string {
  return [
    'apiVersion: serving.kserve.io/v1beta1',
    'kind: InferenceService',
    `metadata: {name: ${name}}`,
    'spec:',
    '  predictor:',
    ...more.map((line) => `    ${line}`),
    '    model:',
    '      modelFormat: {name: onnx}',
    '      protocolVersion: v2',
    `      storageUri: file://${join(samples, model)}`,
    '',
  ].join('\n')
}

export interface Status {
  readonly conditions: readonly { type: string; status: string; reason?: string; message?: string }[]
  readonly modelStatus: {
    readonly states: { activeModelState: string; targetModelState: string }
    readonly transitionStatus: string
    readonly lastFailureInfo?: { reason: string; message: string; modelRevisionName: string }
  }
  readonly components: {
    readonly predictor: { readonly traffic: readonly { revisionName: string; percent: number }[] }
  }
  readonly url: string
}

export interface Answer {
  readonly code: number
  readonly outcome: string | null
  readonly body: Readonly<Record<string, unknown>> & { readonly status?: Status; readonly message?: string }
}

export const services = '/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices'

export class ControlledServer {
  readonly server: Server
  readonly http: string
  readonly grpc: string

  constructor(server: Server, http: string, grpc: string) {
    this.server = server
    this.http = http
    this.grpc = grpc
  }

  async call(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.http}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
    const read = (await response.json()) as Answer['body'] // every answer of the API is an object
    return { code: response.status, outcome: response.headers.get('servable-outcome'), body: read }
  }

  apply(text: string, name = 'flowers'): Promise<Answer> {
    return this.call('PUT', `${services}/${name}?file=isvc.yaml`, text)
  }

  async status(name = 'flowers'): Promise<Status | undefined> {
    return (await this.call('GET', `${services}/${name}/status`)).body.status
  }

  /** Waits for the loads that an apply began. */
  async until(isReached: (status: Status) => boolean, name = 'flowers'): Promise<Status> {
    for (;;) {
      const status = await this.status(name)
      if (status !== undefined && isReached(status)) return status
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** The model that answered by V2, told by the type of its labels; status and body where it refused. */
  async answerer(headers: Record<string, string> = {}, path = '/v2/models/flowers/infer'): Promise<string> {
    const response = await fetch(`${this.http}${path}`, { method: 'POST', body: JSON.stringify(v2Request), headers })
    const body = (await response.json()) as { outputs?: { datatype: string }[] } // as the protocol has it
    if (response.status !== 200) return `${response.status} ${JSON.stringify(body)}`
    return body.outputs?.[0]?.datatype === 'BYTES' ? 'iris-labels' : 'iris'
  }
}

export async function startControlled(options: ServerOptions = {}): Promise<ControlledServer> {
  const server = await createServer({ httpPort: 0, grpcPort: 0, logLevel: 'silent', ...options })
  const { http, grpc = '' } = await server.start()
  return new ControlledServer(server, http, grpc)
}

export const isReady = ({ modelStatus }: Status): boolean => modelStatus.transitionStatus === 'UpToDate'
export const isBlocked = ({ modelStatus }: Status): boolean => modelStatus.transitionStatus === 'BlockedByFailedLoad'
