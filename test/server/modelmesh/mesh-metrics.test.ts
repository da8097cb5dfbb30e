/** The metrics of ModelMesh, as its dashboards read them. */
import { describe, expect, it } from 'vitest'
import { directoryWith } from '../../repository/directories.ts'
import { gatedRuntime } from './gated-runtime.ts'
import { addSub, addSubPath, codeOf, onnx, startRuntime } from './mesh-peer.ts'

describe('the metrics of a mesh', () => {
  it('tell of requests, loads, unloads and memory under the names of ModelMesh', async () => {
    const directory = await directoryWith({ 'broken/model.onnx': 'no model' })
    const { mesh, addresses } = await startRuntime('port', { memoryBudget: 2 ** 30 })
    const scrape = async () => {
      const text = await (await fetch(`${addresses.http}/metrics`)).text()
      const lines = text.split('\n').filter((line) => line.startsWith('modelmesh_'))
      return (name: string): number =>
        Number(
          lines
            .find((line) => line.startsWith(`${name} `))
            ?.split(' ')
            .at(-1),
        )
    }
    const { sizeInBytes } = await mesh.load('a', addSubPath, onnx)
    await mesh.load('b', addSubPath, onnx)
    await mesh.infer('a')
    await mesh.infer('a')
    await codeOf(mesh.infer('a', { ...addSub, inputs: [] }))
    await codeOf(mesh.load('c', `${directory}/broken`, onnx))
    const loaded = await scrape()
    expect(loaded('modelmesh_api_request_milliseconds_count{method="ModelInfer",code="OK"}')).toBe(2)
    expect(loaded('modelmesh_invoke_model_milliseconds_count{method="ModelInfer",code="OK"}')).toBe(2)
    expect(loaded('modelmesh_api_request_milliseconds_count{method="ModelInfer",code="INVALID_ARGUMENT"}')).toBe(1)
    expect(loaded('modelmesh_req_queue_delay_milliseconds_count')).toBe(2)
    expect(loaded('modelmesh_loadmodel_milliseconds_count')).toBe(2)
    expect(loaded('modelmesh_loadmodel_failure')).toBe(1)
    expect(loaded('modelmesh_loaded_model_size_bytes_count')).toBe(2)
    expect(loaded('modelmesh_loaded_model_size_bytes_sum')).toBeGreaterThan(0)
    expect(loaded('modelmesh_models_loaded_total')).toBe(2)
    expect(loaded('modelmesh_instance_models_total')).toBe(2)
    expect(loaded('modelmesh_models_managed_total')).toBe(2)
    expect(loaded('modelmesh_models_with_failure_total')).toBe(0)
    expect(loaded('modelmesh_instance_capacity_bytes')).toBe(2 ** 30)
    expect(loaded('modelmesh_instance_used_bytes')).toBeGreaterThan(0)
    expect(loaded('modelmesh_instance_used_bytes')).toBeLessThanOrEqual(2 * sizeInBytes)
    expect(loaded('modelmesh_instance_lru_seconds')).toBeGreaterThan(Date.now() / 1000 - 600)
    expect(loaded('modelmesh_unloadmodel_milliseconds_count')).toBe(0)
    await mesh.unload('a')
    const unloaded = await scrape()
    expect(unloaded('modelmesh_unloadmodel_milliseconds_count')).toBe(1)
    expect(unloaded('modelmesh_models_loaded_total')).toBe(1)
  })

  it('count those that leave for others, with their age, and who waits for their return', async () => {
    const gated = await gatedRuntime({ isGated: false })
    const runtime = { ...gated.runtime, estimateBytes: () => Promise.resolve(123_456) }
    const { mesh, addresses } = await startRuntime('port', {
      memoryBudget: 200_000,
      churnSeconds: 0,
      runtimes: [runtime],
    })
    await mesh.load('a', gated.path)
    await mesh.load('b', gated.path)
    const text = await (await fetch(`${addresses.http}/metrics`)).text()
    expect(text).toMatch(/^modelmesh_model_evicted 1$/m)
    expect(text).toMatch(/^modelmesh_age_at_eviction_milliseconds_count 1$/m)
    expect(text).toMatch(/^modelmesh_instance_used_bps 6173$/m)
    expect(gated.open.get('a')).toBe(0)
  })
})
