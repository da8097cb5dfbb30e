/** Every recorded case of KServe's router, byte for byte against stub backends. */
import { describe, expect, it } from 'vitest'
import { compileHeaderPatterns, InferenceGraph, Payload, readSpec } from '../../src/graph/index.ts'
import type { CallService, GraphSpec, Timers } from '../../src/graph/index.ts'
import { shared, withoutShared } from '../paths.ts'
import { routerCases, type Backend, type Call, type RouterCase } from './router-cases.ts'
import { jumpingTimers } from './support.ts'

function stubs(backends: Readonly<Record<string, Backend>>, timers: Timers, calls: Call[]): CallService {
  return async ({ target, payload, headers, signal }) => {
    if (target.kind === 'service') throw new Error('Post "": unsupported protocol scheme ""')
    const name = target.url.replace('BE/', '')
    const backend = backends[name]
    if (backend === undefined) throw new Error(`Post "${target.url}": connection refused`)
    calls.push({ backend: name, body: payload.asText(), headers: Object.fromEntries(headers) })
    if (backend.drop === true) throw new Error(`Post "${target.url}": EOF`)
    const { delayMs } = backend
    if (delayMs !== undefined) {
      await new Promise<void>((resolve, reject) => {
        timers.after(delayMs, resolve)
        signal.addEventListener('abort', () => reject(new Error('gone')))
      })
    }
    return { status: backend.status, payload: Payload.ofBytes(Buffer.from(backend.body)) }
  }
}

function specOf({ spec, serviceClientTimeoutSeconds }: RouterCase): GraphSpec {
  const timeouts = serviceClientTimeoutSeconds === undefined ? {} : { serviceClient: serviceClientTimeoutSeconds }
  const { spec: graph, issues } = readSpec({ ...spec, routerTimeouts: { ...spec.routerTimeouts, ...timeouts } })
  if (graph === undefined) throw new Error(issues.map(({ message }) => message).join('\n'))
  return graph
}

describe.skipIf(shared === undefined)(`the router's cases (${withoutShared})`, () => {
  it.each(routerCases)('$id $title', async (one) => {
    const { expected, request, backends, propagateHeaders = [] } = one
    const calls: Call[] = []
    const timers = jumpingTimers()
    const propagate = compileHeaderPatterns(propagateHeaders)
    const graph = new InferenceGraph(specOf(one), { call: stubs(backends, timers, calls), timers, propagate })
    const answer = graph.infer({
      payload: Payload.ofText(request.body),
      headers: request.headers,
      signal: new AbortController().signal,
    })
    if (expected.connectionClosed === true) await expect(answer).rejects.toMatchObject({ code: 'internal' })
    else {
      const { status, payload, contentType } = await answer
      expect({ status, contentType: contentType ?? '', body: payload.asText() }).toEqual({
        status: expected.status,
        contentType: expected.contentType,
        body: expected.body,
      })
    }
    if (expected.patternError !== undefined) expect(propagate.refused).toEqual([expected.patternError])
    const parallel = (call: Call): string => `${call.backend} ${call.body}`
    const sorted = (list: readonly Call[]): readonly Call[] =>
      [...list].sort((a, b) => (parallel(a) < parallel(b) ? -1 : 1))
    expect(sorted(calls)).toEqual(sorted(expected.calls ?? []))
  })
})
