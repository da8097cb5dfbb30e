import { describe, expect, it } from 'vitest'
import { lazyRuntime, RuntimeRegistry, silentLog } from '../../src/runtime/index.ts'
import type { ModelSpec, Runtime } from '../../src/runtime/index.ts'

const spec: ModelSpec = {
  ref: { name: 'm', version: '1' },
  format: 'onnx',
  directory: '/nowhere',
  device: 'auto',
  placement: 'auto',
  maxQueueSize: 1,
  options: {},
}
const { signal } = new AbortController()

function runtime(name: string, formats: readonly string[]): Runtime {
  return { api: 1, name, formats, load: () => Promise.reject(new Error(`${name} loads`)) }
}

describe('the registry of runtimes', () => {
  const registry = new RuntimeRegistry().register(runtime('a', ['onnx', 'x'])).register(runtime('b', ['onnx', 'y']))

  it('finds a runtime by format, the first registered first, and by name', () => {
    expect(registry.forFormat('onnx').name).toBe('a')
    expect(registry.forFormat('y').name).toBe('b')
    expect(registry.forName('b').name).toBe('b')
    expect(registry.names).toEqual(['a', 'b'])
  })

  it('lists what there is where something is not there', () => {
    expect(() => registry.forFormat('keras')).toThrow(
      "no runtime serves model format 'keras': there are 'onnx', 'x', 'y'",
    )
    expect(() => registry.forName('c')).toThrow("there is no runtime 'c': there are 'a', 'b'")
    expect(() => new RuntimeRegistry().forName('c')).toThrow('there are none')
  })

  it('refuses a second runtime of one name and a contract of another version', () => {
    expect(() => registry.register(runtime('a', []))).toThrow(/registered twice/)
    const other = { ...runtime('z', []), api: 2 } as unknown as Runtime // as a plugin in JavaScript may be
    expect(() => registry.register(other)).toThrow(/contract 2/)
  })
})

describe('a lazy runtime', () => {
  it('is imported at the first load', async () => {
    const specifier = new URL('../../runtimes/onnx/index.js', import.meta.url).href
    const lazy = lazyRuntime({ name: 'onnx', formats: ['onnx'], specifier })
    await expect(lazy.load(spec, silentLog, signal)).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(lazy.estimateBytes?.(spec)).resolves.toBe(0)
  })

  it('says what to install where its package is missing', async () => {
    const lazy = lazyRuntime({ name: 'x', formats: ['x'], specifier: 'no-such-package', install: 'npm install x' })
    const error = { code: 'failed_precondition', message: /runtime 'x' cannot be loaded: .*Install it: npm install x/ }
    await expect(lazy.load(spec, silentLog, signal)).rejects.toMatchObject(error)
  })

  it('refuses a module that is no runtime', async () => {
    const lazy = lazyRuntime({ name: 'x', formats: ['x'], specifier: 'node:path' })
    await expect(lazy.load(spec, silentLog, signal)).rejects.toThrow(/is no runtime/)
  })
})
