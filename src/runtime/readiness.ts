/** Waits until a process of others takes requests: asked again and again, each time for a bounded while. */
import { request } from 'node:http'
import { connect } from 'node:net'
import type { Ports, ReadyCheck } from './launch.ts'

const host = '127.0.0.1'
const firstPauseMs = 50
const longestPauseMs = 1000
/** A server that takes a connection and says nothing is not ready. */
const attemptMs = 5000

/**
 * @param signal ends the waiting: a process that died, a deadline, a caller who is gone
 * @returns true once it is ready, false where the signal fired first
 */
export async function becomesReady(check: ReadyCheck, ports: Ports, signal: AbortSignal): Promise<boolean> {
  const port = ports[check.port] ?? 0
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    if (await (check.kind === 'http' ? answers(port, check.path, signal) : accepts(port, signal)))
      return !signal.aborted
    await pause(pauseMs, signal)
  }
  return false
}

function answers(port: number, path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ host, port, path, agent: false, timeout: attemptMs, signal })
    call.on('response', (response) => {
      const { statusCode = 0 } = response
      response.destroy()
      resolve(statusCode >= 200 && statusCode < 300)
    })
    call.on('timeout', () => call.destroy())
    call.on('error', () => resolve(false))
    call.on('close', () => resolve(false))
    call.end()
  })
}

function accepts(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal, timeout: attemptMs })
    const end = (isReady: boolean): void => {
      socket.destroy()
      resolve(isReady)
    }
    socket.on('connect', () => end(true))
    socket.on('timeout', () => end(false))
    socket.on('error', () => end(false))
  })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
