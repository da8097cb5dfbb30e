/** Calls to models of this server: no socket, and no JSON where tensors are at hand. */
import { InferenceError } from '../../core/errors.ts'
import type { RequestContext } from '../../core/inference.ts'
import type { Log } from '../../core/log.ts'
import type { DataPlane } from '../../dataplane/dataplane.ts'
import { compileGjson, Payload } from '../../graph/index.ts'
import type { StepCall, StepReply } from '../../graph/index.ts'
import { answerOf, type RefuseStatus } from '../../rest/status.ts'
import { inServingWords } from '../../rest/v1-target.ts'
import type { Service } from './services.ts'

/** What the calls of all steps share. */
export interface LocalDoor {
  readonly dataPlane: DataPlane
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
    const { inputs } = door.dataPlane.metadata({ name })
    const tensors = payload.asTensors(protocol ?? protocolOf(payload), { model: { name }, inputs })
    isDecoded = true
    const response = await door.dataPlane.infer(tensors.request, new StepContext(call))
    return { status: 200, payload: Payload.ofResponse(response, tensors.format, tensors.outputs) }
  } catch (reason) {
    const isUnread = !isDecoded && protocol === 'v1'
    return refusal(door, call, isUnread ? inServingWords(reason, { name }) : reason)
  }
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
  #headers: Record<string, string> | undefined

  constructor(call: StepCall) {
    this.#call = call
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

  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      this.#headers = {}
      for (const [name, value] of this.#call.headers) {
        const key = name.toLowerCase()
        const earlier = this.#headers[key]
        this.#headers[key] = earlier === undefined ? value : `${earlier}, ${value}`
      }
    }
    return this.#headers
  }
}
