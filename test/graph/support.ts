/** A clock that needs no waiting, and graphs over stub services. */
import { InferenceGraph, Payload, readSpec } from '../../src/graph/index.ts'
import type { CallService, GraphSettings, GraphSpec, StepCall, StepReply, Timers } from '../../src/graph/index.ts'

/** A clock that jumps to the next thing to do as soon as nothing else can happen. */
export function jumpingTimers(): Timers {
  let now = 0
  let isPlanned = false
  const waiting: { at: number; callback: () => void }[] = []
  const jump = (): void => {
    isPlanned = false
    waiting.sort((a, b) => a.at - b.at)
    const next = waiting.shift()
    if (next === undefined) return
    now = next.at
    next.callback()
    plan()
  }
  const plan = (): void => {
    if (isPlanned || waiting.length === 0) return
    isPlanned = true
    setImmediate(jump)
  }
  return {
    now: () => now,
    after: (ms, callback) => {
      const entry = { at: now + ms, callback }
      waiting.push(entry)
      plan()
      return () => {
        const index = waiting.indexOf(entry)
        if (index !== -1) waiting.splice(index, 1)
      }
    },
  }
}

/** What a stub answers to a body: a body with status 200, or both. */
export type Stub = (body: string, call: StepCall) => string | StepReply | Promise<string | StepReply>

export function specOf(nodes: object, servable?: object, rest: object = {}): GraphSpec {
  const { spec, issues } = readSpec({ nodes, ...rest, ...(servable === undefined ? {} : { servable }) })
  if (spec === undefined) throw new Error(issues.map(({ message }) => message).join('; '))
  return spec
}

export interface Calls {
  readonly seen: string[]
  readonly call: CallService
}

/** Services by name; `seen` holds `name body` of each call. */
export function services(stubs: Readonly<Record<string, Stub>>): Calls {
  const seen: string[] = []
  const call: CallService = async (stepCall) => {
    const name = stepCall.target.kind === 'service' ? stepCall.target.name : stepCall.target.url
    const body = stepCall.payload.asText()
    seen.push(`${name} ${body}`)
    const stub = stubs[name]
    if (stub === undefined) throw new Error(`no service ${name}`)
    const reply = await stub(body, stepCall)
    return typeof reply === 'string' ? { status: 200, payload: Payload.ofText(reply) } : reply
  }
  return { seen, call }
}

export function reply(status: number, body: string): StepReply {
  return { status, payload: Payload.ofText(body) }
}

/** Runs one request and gives status and body. */
export async function ask(
  spec: GraphSpec,
  call: CallService,
  body: string,
  settings: Partial<GraphSettings> & { readonly headers?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const { headers = {}, signal = new AbortController().signal, ...rest } = settings
  const graph = new InferenceGraph(spec, { call, timers: jumpingTimers(), ...rest })
  const { status, payload } = await graph.infer({ payload: Payload.ofText(body), headers, signal })
  return { status, body: payload.asText() }
}
