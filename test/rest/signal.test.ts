/** The signal of a request: made when asked for, used again only where nobody could tell. */
import { EventEmitter } from 'node:events'
import type { FastifyRequest } from 'fastify'
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { InFlight } from '../../src/rest/in-flight.ts'
import { HttpContext } from '../../src/rest/request-context.ts'
import { giveBackController, takeController } from '../../src/scheduling/spare-controllers.ts'

/** The parts of a request that a context reads. */
function requestOn(socket: EventEmitter, headers: Record<string, string | string[]> = {}): FastifyRequest {
  return { id: 'r-1', raw: { socket, headers }, givenContentType: 'text/plain' } as unknown as FastifyRequest
}

describe('the context of a request', () => {
  it('fires the signals of one connection only, and of open requests only', () => {
    const inFlight = new InFlight()
    const [left, right] = [new EventEmitter(), new EventEmitter()]
    const done = new HttpContext('v2', requestOn(left), inFlight)
    const open = new HttpContext('v2', requestOn(left), inFlight)
    const other = new HttpContext('v2', requestOn(right), inFlight)
    const signals = [done, open, other].map((context) => context.signal)
    expect(left.listenerCount('close')).toBe(1)
    done.release()
    left.emit('close')
    expect(signals.map((signal) => signal.aborted)).toEqual([false, true, false])
    expect(open.signal.reason).toMatchObject({ code: 'cancelled' })
  })

  it('fires at once where the caller has already left', () => {
    const socket = Object.assign(new EventEmitter(), { destroyed: true })
    expect(new HttpContext('v2', requestOn(socket), new InFlight()).signal.aborted).toBe(true)
  })

  it('never fires after the answer, even where the signal is asked for then', () => {
    const inFlight = new InFlight()
    const socket = new EventEmitter()
    const context = new HttpContext('v2', requestOn(socket), inFlight)
    context.release()
    const { signal } = context
    inFlight.abortAll(new InferenceError('unavailable', 'over'))
    socket.emit('close')
    expect(signal.aborted).toBe(false)
  })

  it('holds headers as text, the Content-Type as the caller sent it', () => {
    const headers = { 'content-type': 'application/octet-stream', 'set-cookie': ['a=1', 'b=2'], host: 'h' }
    const context = new HttpContext('v1', requestOn(new EventEmitter(), headers), new InFlight())
    expect(context.headers).toEqual({ 'content-type': 'text/plain', 'set-cookie': 'a=1, b=2', host: 'h' })
    expect(context.headers).toBe(context.headers)
  })
})

describe('spare controllers', () => {
  it('come back where nobody listens', () => {
    const first = takeController()
    giveBackController(first)
    expect(takeController()).toBe(first)
  })

  it('do not come back fired', () => {
    const fired = takeController()
    fired.controller.abort()
    giveBackController(fired)
    expect(takeController()).not.toBe(fired)
  })

  it('do not come back while somebody listens', () => {
    const held = takeController()
    held.controller.signal.addEventListener('abort', () => undefined)
    giveBackController(held)
    expect(takeController()).not.toBe(held)
  })

  it('are not used for ever', () => {
    const controllers = new Set<AbortController>()
    for (let index = 0; index < 1000; index += 1) {
      const spare = takeController()
      controllers.add(spare.controller)
      giveBackController(spare)
    }
    expect(controllers.size).toBeGreaterThan(5)
  })
})
