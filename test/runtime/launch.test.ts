import { describe, expect, it } from 'vitest'
import { filledIn, portNames, readLaunch } from '../../src/runtime/launch.ts'
import { LineBudget } from '../../src/runtime/line-budget.ts'

describe('a launch', () => {
  it('is ready at its port where nothing else is said, and waits ten minutes', () => {
    expect(readLaunch({ command: ['serve', '--port', '{port}', 2] })).toEqual({
      command: ['serve', '--port', '{port}', '2'],
      env: {},
      ready: { kind: 'tcp', port: 'port' },
      startTimeoutMs: 600_000,
      stopGraceMs: 10_000,
    })
  })

  it('takes a path, or a path and a port by its name', () => {
    const readyOf = (ready: unknown) => readLaunch({ command: ['x'], ready }).ready
    expect(readyOf('/health')).toEqual({ kind: 'http', path: '/health', port: 'port' })
    expect(readyOf({ path: '/v2/health/ready', port: 'http_port' })).toEqual({
      kind: 'http',
      path: '/v2/health/ready',
      port: 'http_port',
    })
    expect(readyOf({ port: 'grpc_port' })).toEqual({ kind: 'tcp', port: 'grpc_port' })
  })

  it.each([
    [undefined, /launch must be a mapping/],
    [{ command: 'serve --port 1' }, /launch\.command must be a list of texts/],
    [{ command: [] }, /launch\.command/],
    [{ command: [''] }, /launch\.command/],
    [{ command: ['x', 'a\0b'] }, /launch\.command/],
    [{ command: ['x'], comand: 1 }, /no key 'comand'/],
    [{ command: ['x'], env: { 'A=B': 'c' } }, /launch\.env: 'A=B'/],
    [{ command: ['x'], ready: 'health' }, /launch\.ready must be a path such as \/health/],
    [{ command: ['x'], ready: { port: 'door' } }, /launch\.ready/],
    [{ command: ['x'], start_timeout_seconds: 0 }, /launch\.start_timeout_seconds must be seconds/],
    [{ command: ['x'], cwd: 1 }, /launch\.cwd must be a path/],
  ])('refuses %j', (given, message) => {
    expect(() => readLaunch(given)).toThrow(message)
  })

  it('wants each port once, from the command, the environment and the check', () => {
    const launch = readLaunch({
      command: ['x', '--http={port}', '--grpc={grpc_port}', '{model}', '{"port": 1}'],
      env: { METRICS: '127.0.0.1:{metrics_port}', AGAIN: '{port}' },
    })
    expect(portNames(launch)).toEqual(['port', 'grpc_port', 'metrics_port'])
  })

  it('fills in what is known and leaves other braces as they are', () => {
    expect(filledIn('{"a":{model},"b":{x}} {port}{port}', { model: 'm', port: 80 })).toBe('{"a":m,"b":{x}} 8080')
    expect(filledIn('{constructor}', {})).toBe('{constructor}')
  })
})

describe('the lines of a launched process', () => {
  it('are bounded a second, and the dropped ones are counted', () => {
    const budget = new LineBudget()
    const taken = Array.from({ length: 150 }, () => budget.take(0)).filter((dropped) => dropped !== undefined)
    expect(taken).toHaveLength(100)
    expect(budget.take(999)).toBeUndefined()
    expect(budget.take(1000)).toBe(51)
    expect(budget.take(1001)).toBe(0)
  })
})
