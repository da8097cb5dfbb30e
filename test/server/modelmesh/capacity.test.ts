/** What a mesh is told about the memory of its runtime, and where the mesh finds it. */
import { describe, expect, it } from 'vitest'
import { readServeConfig } from '../../../src/server/read-config.ts'
import { capacityOf } from '../../../src/server/modelmesh/capacity.ts'

const MiB = 2 ** 20

function capacity(memoryLimit: number, environment: Readonly<Record<string, string>> = {}, memoryBudget?: number) {
  return capacityOf({ memoryLimit, environment, memoryBudget })
}

describe('the memory for models', () => {
  it('is the budget, else what the container may use less a buffer', () => {
    expect(capacity(1024 * MiB, {}, 100 * MiB).capacityInBytes).toBe(100 * MiB)
    expect(capacity(1024 * MiB).capacityInBytes).toBe(768 * MiB)
    expect(capacity(300 * MiB).capacityInBytes).toBe(150 * MiB)
    const adapters = { CONTAINER_MEM_REQ_BYTES: String(2048 * MiB), MEM_BUFFER_BYTES: String(48 * MiB) }
    expect(capacity(4096 * MiB, adapters).capacityInBytes).toBe(2000 * MiB)
  })

  it('passes the checks of a mesh, whatever it is', () => {
    for (const budget of [81_920, 1 * MiB, 10 * MiB, 100 * MiB, 512 * MiB, 1024 * MiB, 2 ** 40]) {
      for (const wanted of [undefined, '0', '1', '100000000000']) {
        const environment: Readonly<Record<string, string>> = wanted === undefined ? {} : { DEFAULT_MODELSIZE: wanted }
        const { capacityInBytes, defaultModelSizeInBytes: size } = capacity(0, environment, budget)
        expect(size).toBeGreaterThanOrEqual(8192)
        expect(capacityInBytes).toBeGreaterThanOrEqual(Math.max(2 * size, Math.min(512 * MiB, 10 * size)))
      }
    }
  })

  it('is refused where nothing fits', () => {
    expect(() => capacity(0, {}, 81_919)).toThrow('--memory-budget')
    expect(() => capacity(1024 * MiB, { MEM_BUFFER_BYTES: '256Mi' })).toThrow(
      'MEM_BUFFER_BYTES: expected a whole number',
    )
  })

  it('comes with the numbers that the adapters of ModelMesh take', () => {
    const environment = { LOADTIME_TIMEOUT: '90000', LIMIT_PER_MODEL_CONCURRENCY: '4', RUNTIME_VERSION: 'v7' }
    expect(capacity(1024 * MiB, environment)).toMatchObject({
      modelLoadingTimeoutMs: 90_000,
      perModelConcurrency: 4,
      runtimeVersion: 'v7',
    })
    expect(capacity(1024 * MiB, { LIMIT_PER_MODEL_CONCURRENCY: '0' }).perModelConcurrency).toBeUndefined()
  })
})

describe('the setting of a mesh', () => {
  const read = (...args: readonly string[]) => readServeConfig(args, {}).values

  it('is an endpoint as a ServingRuntime has it', () => {
    expect(read('--model-mesh', 'port:8085').modelMesh).toEqual({ kind: 'port', port: 8085 })
    expect(read('--model-mesh', 'unix:/mesh/mgmt.sock').modelMesh).toEqual({ kind: 'unix', path: '/mesh/mgmt.sock' })
    expect(read('--model-mesh=unix:///mesh/mgmt.sock').modelMesh).toEqual({ kind: 'unix', path: '/mesh/mgmt.sock' })
    const variable = { SERVABLE_MODEL_MESH: 'unix:/mesh/mgmt.sock', SERVABLE_GRPC_SOCKET: 'unix:/mesh/data.sock' }
    expect(readServeConfig([], variable).values).toMatchObject({
      modelMesh: { kind: 'unix' },
      grpcSocket: '/mesh/data.sock',
    })
    for (const wrong of ['8085', 'port:x', 'unix:mesh.sock', 'tcp:8085', 'port:70000', 'unix:']) {
      expect(() => read('--model-mesh', wrong)).toThrow('--model-mesh: expected')
    }
  })

  it('moves REST off the port that a mesh has, unless one is given', () => {
    expect(read().httpPort).toBe(8080)
    expect(read('--model-mesh', 'port:8085').httpPort).toBe(8002)
    expect(read('--model-mesh', 'port:8085', '--http-port', '8081').httpPort).toBe(8081)
  })

  it('is for one process', () => {
    expect(() => read('--model-mesh', 'port:8085', '--workers', '2')).toThrow('--model-mesh is for one process')
    expect(() => read('--grpc-socket', '/a', '--workers', 'auto')).toThrow('--grpc-socket is for one process')
  })
})
