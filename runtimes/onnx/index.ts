/** The ONNX runtime, over onnxruntime-node. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describeSystem, fileFacts } from '../../src/runtime/index.ts'
import type { Log, Model, ModelSpec, Runtime, SystemDescription } from '../../src/runtime/index.ts'
import { loadOnnx } from './load.ts'
import type { ConvertedModel } from './load.ts'

export { inspectOnnx } from './inspect.ts'
export type { OnnxInspection } from './inspect.ts'
export type { ConvertedModel } from './load.ts'
export type { OnnxOptions } from './options.ts'

/** @param describe the machine, asked once, when the first model wants a GPU */
export function createOnnxRuntime(describe: () => Promise<SystemDescription> = describeSystem): Runtime {
  let system: Promise<SystemDescription> | undefined
  return {
    api: 1,
    name: 'onnx',
    formats: ['onnx'],
    estimateBytes,
    load: (spec, log, signal) => loadOnnx({ spec, system: () => (system ??= describe()) }, log, signal),
  }
}

let ownSystem: Promise<SystemDescription> | undefined

/**
 * Loads a model of another format that its runtime turned into ONNX in memory: device, placement, batching and metrics are those of
 * any ONNX model.
 *
 * @param spec of the original: its `options` are those of this runtime
 * @throws InferenceError as `load` of this runtime
 */
export function loadConverted(
  spec: ModelSpec,
  converted: ConvertedModel,
  log: Log,
  signal: AbortSignal,
): Promise<Model> {
  return loadOnnx({ spec, converted, system: () => (ownSystem ??= describeSystem()) }, log, signal)
}

/** Copies that onnxruntime makes of weights while it optimises the graph. */
const growth = 1.25

/** The model file and, by the naming of exporters (`model.onnx.data`, `model.onnx_data`), its weights beside it. */
async function estimateBytes(spec: ModelSpec): Promise<number> {
  const file = spec.file ?? join(spec.directory, 'model.onnx')
  const facts = await fileFacts(file) // which the load will want as well
  if (facts?.isAlone === true) return facts.bytes * growth
  const names = (await readdir(dirname(file)).catch(() => [])).filter((name) => name.startsWith(basename(file)))
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dirname(file), name))).size))
  return sizes.reduce((sum, size) => sum + size, 0) * growth
}

const runtime = createOnnxRuntime()
export default runtime
