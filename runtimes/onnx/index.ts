/** The ONNX runtime, over onnxruntime-node. */
import type { Log, Model, ModelSpec, Runtime } from '../../src/runtime/index.ts'
import { InferenceError, place } from '../../src/runtime/index.ts'
import type { OnnxInfo, OnnxSessionOptions } from './session.ts'

const sessionModule = new URL('./session.js', import.meta.url)

async function load(spec: ModelSpec, log: Log, signal: AbortSignal): Promise<Model> {
  if (spec.file === undefined) throw new InferenceError('failed_precondition', `model '${spec.ref.name}' has no file`)
  if (signal.aborted) throw InferenceError.from(signal.reason)
  const options: OnnxSessionOptions = {
    file: spec.file,
    native: { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 },
  }
  const placement = spec.placement === 'auto' ? 'pool' : spec.placement
  const session = await place(sessionModule, options, placement, { instances: spec.instances ?? 1 })
  const info = session.info as OnnxInfo
  log.debug({ model: spec.ref.name }, 'loaded')
  return {
    metadata: {
      platform: 'onnxruntime_onnx',
      inputs: info.signature.inputs,
      outputs: info.signature.outputs,
      parameters: { device: 'cpu', placement },
    },
    memoryBytes: info.file.fileBytes,
    maxBatchSize: spec.maxBatchSize ?? 0,
    concurrency: session.instances,
    predict: (batch, signal) => session.run(batch, signal),
    close: () => session.close(),
  }
}

const runtime: Runtime = { api: 1, name: 'onnx', formats: ['onnx'], load }
export default runtime
