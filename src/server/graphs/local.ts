/** Calls to models of this server: no socket, and no JSON where tensors are at hand. */
import { flatColumn } from '../../codec/column.ts'
import { InferenceError } from '../../core/errors.ts'
import type { RequestContext, Wire } from '../../core/inference.ts'
import type { Log } from '../../core/log.ts'
import type { TraceContext } from '../../core/trace-context.ts'
import type { DataPlane } from '../../dataplane/dataplane.ts'
import { compileGjson, Payload } from '../../graph/index.ts'
import type { StepCall, StepReply } from '../../graph/index.ts'
import type { RestComponents } from '../../rest/options.ts'
import { answerOf, type RefuseStatus } from '../../rest/status.ts'
import { inServingWords } from '../../rest/v1-target.ts'
import type { Service } from './services.ts'

/** What the calls of all steps share. */
export interface LocalDoor {
  readonly dataPlane: DataPlane
  /** Transformers that stand in for models. */
  readonly components?: RestComponents
  readonly log: Log
  readonly refuseStatus: RefuseStatus
}

/** V2 names the datatype of each tensor. */
const v2Mark = compileGjson('inputs.0.datatype')

/** Answers as the REST door would, errors included. Rejects only where nobody waits any more. */
export async function callModel(
  door: LocalDoor,
  { name, protocol }: Extract<Service, { kind: 'model' }>,
  call: StepCall,
): Promise<StepReply> {
  const { payload } = call
  let isDecoded = false
  try {
    const component = door.components?.standIn(name, 'infer')
    if (component !== undefined) return await callComponent(door, component, { name, protocol }, call)
    await door.dataPlane.wake({ name })
    const signatures = door.dataPlane.metadata({ name })
    const target = { model: { name }, inputs: signatures.inputs, signatures }
    const tensors = payload.asTensors(protocol ?? protocolOf(payload), target)
    isDecoded = true
    const answer = await door.dataPlane.infer(tensors.request, new StepContext(call))
    const response = tensors.isFlat === true ? { ...answer, outputs: answer.outputs.map(flatColumn) } : answer
    return { status: 200, payload: Payload.ofResponse(response, tensors.format, tensors.outputs) }
  } catch (reason) {
    const isUnread = !isDecoded && protocol === 'v1'
    return refusal(door, call, isUnread ? inServingWords(reason, { name }) : reason)
  }
}

/** The transformer of a model: it gets the bytes, and says how they are answered. */
async function callComponent(
  { dataPlane, components }: LocalDoor,
  component: string,
  { name, protocol }: Pick<Extract<Service, { kind: 'model' }>, 'name' | 'protocol'>,
  call: StepCall,
): Promise<StepReply> {
  const { payload } = call
  const model = encodeURIComponent(name)
  const isV2 = (protocol ?? protocolOf(payload)) === 'v2'
  const path = isV2 ? `/v2/models/${model}/infer` : `/v1/models/${model}:predict`
  const body = payload.asBytes()
  const context = new StepContext(call, { body, headerLength: payload.headerLength })
  const reply = await components?.answer(dataPlane, component, { path, body, context })
  if (reply === undefined) throw new InferenceError('not_found', `Model with name ${name} does not exist.`)
  const length = Number(reply.headers['inference-header-content-length'] ?? NaN)
  const answer = Number.isInteger(length) ? Payload.ofBytes(reply.body, length) : Payload.ofBytes(reply.body)
  return { status: reply.status, payload: answer }
}

/** An error as the REST door answers it. @throws InferenceError where the signal of the call fired */
export function refusal({ log, refuseStatus }: LocalDoor, call: StepCall, reason: unknown): StepReply {
  if (call.signal.aborted) throw InferenceError.from(reason)
  const { status, message, error } = answerOf(reason, refuseStatus)
  if (status === 500) {
    log.warn({ requestId: call.origin?.requestId, node: call.node, step: call.step.key, error }, 'step failed')
  }
  return { status, payload: Payload.ofText(JSON.stringify({ error: message })) }
}

function protocolOf(payload: Payload): 'v1' | 'v2' {
  if (payload.isTensors) return payload.responseFormat === 'v2' ? 'v2' : 'v1'
  if (payload.headerLength !== undefined) return 'v2'
  return payload.isJson && v2Mark.exists(payload.asText()) ? 'v2' : 'v1'
}

/** What a model gets beside the request of a step: the headers that a service elsewhere would get. */
export class StepContext implements RequestContext {
  readonly protocol = 'library'
  readonly #call: StepCall
  readonly #headerLength: number | undefined
  readonly wire: Wire | undefined
  #headers: Record<string, string> | undefined

  /** @param sent a body that goes with the headers; `headerLength` of its JSON part, where raw tensors stand behind it */
  constructor(call: StepCall, sent?: { readonly body: Uint8Array; readonly headerLength: number | undefined }) {
    this.#call = call
    this.#headerLength = sent?.headerLength
    this.wire = sent === undefined ? undefined : { body: sent.body, contentType: undefined }
  }

  get requestId(): string {
    return this.#call.origin?.requestId ?? ''
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get deadline(): number | undefined {
    return this.#call.origin?.deadline
  }

  get trace(): TraceContext | undefined {
    return this.#call.origin?.trace
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      this.#headers = {}
      for (const [name, value] of this.#call.headers) {
        const key = name.toLowerCase()
        const earlier = this.#headers[key]
        this.#headers[key] = earlier === undefined ? value : `${earlier}, ${value}`
      }
      if (this.#headerLength !== undefined) {
        this.#headers['content-type'] = 'application/octet-stream'
        this.#headers['inference-header-content-length'] = String(this.#headerLength)
      }
    }
    return this.#headers
  }
}
