/** Loads one ONNX model: device, session, placement, metadata. */
import type {
  Device,
  DeviceChoice,
  Log,
  Model,
  ModelSpec,
  Parameters,
  SystemDescription,
} from '../../src/runtime/index.ts'
import { InferenceError, chooseDevice, fileFacts, messageOf } from '../../src/runtime/index.ts'
import { join } from 'node:path'
import { concurrencyOf, inlineConcurrencyOf } from './choose-placement.ts'
import { openPlaced, weightBytes } from './open-placed.ts'
import type { Loading, Measured } from './open-placed.ts'
import { parseOptions } from './options.ts'
import type { OnnxInfo } from './session.ts'
import { logWarnings } from './warnings.ts'

/** A model that another runtime made of a file of its own format. */
export interface ConvertedModel {
  /** A whole ONNX model, nothing of it in other files. */
  readonly bytes: Uint8Array
  /** As of a model's metadata, in place of `onnxruntime_onnx`. */
  readonly platform: string
  /** Facts of the original for the metadata. */
  readonly parameters: Parameters
}

/** What is loaded, and on what. */
export interface OnnxLoad {
  readonly spec: ModelSpec
  readonly system: () => Promise<SystemDescription>
  readonly converted?: ConvertedModel
}

/** @throws InferenceError that says what is wrong with the file, the options, the device or the installation */
export async function loadOnnx({ spec, system, converted }: OnnxLoad, log: Log, signal: AbortSignal): Promise<Model> {
  throwIfAborted(signal)
  const file = spec.file ?? join(spec.directory, 'model.onnx')
  const options = parseOptions(spec.options)
  const choice =
    spec.device === 'cpu'
      ? chooseDevice(spec.device, cpuOnly)
      : chooseDevice(spec.device, await system(), { tensorrt: options.tensorrt })
  const loading: Loading = {
    spec,
    file,
    print: converted === undefined ? (await fileFacts(file))?.print : undefined,
    ...(converted === undefined ? {} : { bytes: converted.bytes, origin: converted }),
    options,
    choice,
    log,
    signal,
    parameters: {},
  }
  const model = await openOrFallBack(loading)
  if (log.isDebugEnabled && converted === undefined) await logWarnings(file, spec.ref.name, log, signal)
  return model
}

/** `device: cpu` asks nothing of the system. */
const cpuOnly: SystemDescription = {
  platform: process.platform,
  arch: process.arch,
  gpus: [],
  missingCudaLibraries: [],
  missingTensorrtLibraries: [],
}

/** A GPU that the probe found may still refuse: `auto` then takes the CPU, and says why. */
async function openOrFallBack(loading: Loading): Promise<Model> {
  try {
    return await open(loading)
  } catch (reason) {
    if (loading.choice.device === 'cpu' || loading.spec.device !== 'auto' || loading.signal.aborted) throw reason
    const choice: DeviceChoice = {
      device: 'cpu',
      providers: ['cpu'],
      reason: `${loading.choice.device} failed: ${messageOf(reason)}`,
    }
    return open({ ...loading, choice, parameters: {} })
  }
}

async function open(loading: Loading): Promise<Model> {
  const { spec, log, signal, choice, parameters } = loading
  const session = await openPlaced(loading)
  const { info } = session
  if (signal.aborted) await session.close()
  throwIfAborted(signal)
  const placedSession = session.session
  const { instances } = placedSession
  Object.assign(parameters, describe(info, choice, session), loading.origin?.parameters)
  const { device, device_reason, placement, placement_reason, run_us } = parameters
  log[session.isKnown === true ? 'debug' : 'info'](
    { model: spec.ref.name, version: spec.ref.version, device, device_reason, placement, placement_reason, run_us },
    'opened',
  )
  const { hiddenOutputs } = info.signature
  if (hiddenOutputs.length > 0) {
    log.warn({ model: spec.ref.name, outputs: hiddenOutputs }, 'outputs that are no tensors are left out')
  }
  return {
    metadata: {
      platform: loading.origin?.platform ?? 'onnxruntime_onnx',
      inputs: info.signature.inputs,
      outputs: info.signature.outputs,
      parameters,
    },
    ...(loading.print === undefined ? {} : { print: loading.print }),
    memoryBytes: placedSession.memoryBytes ?? weightBytes(info),
    maxBatchSize: spec.maxBatchSize ?? 0,
    concurrency:
      session.placement === 'inline'
        ? inlineConcurrencyOf(info.timings.runUs)
        : concurrencyOf(info.timings.runUs, session.hopUs, instances),
    executors: session.placement === 'inline' ? 1 : instances,
    get inlineBytes() {
      return session.inlineBytes
    },
    predict: (batch, signal) => session.predict(batch, signal),
    ...(placedSession.onFailure && { onFailure: placedSession.onFailure }),
    close: () => session.close(),
  }
}

function describe(info: OnnxInfo, choice: DeviceChoice, session: Measured): Parameters {
  const { opsets, producer, producerVersion } = info.file
  const { runUs } = info.timings
  const { constantInputs } = info.signature
  const device: Device = choice.device
  return {
    device,
    device_reason: choice.reason,
    placement: session.placement,
    placement_reason: session.reason,
    instances: session.session.instances,
    threads: session.parallelism.threads,
    parallelism_reason: session.parallelism.reason,
    ...(opsets[''] === undefined ? {} : { opset: opsets[''] }),
    ...(producer === '' ? {} : { producer: `${producer} ${producerVersion}`.trim() }),
    ...(runUs === undefined ? {} : { run_us: Math.round(runUs) }),
    ...(session.hopUs === 0 ? {} : { hop_us: Math.round(session.hopUs) }),
    ...(constantInputs.length === 0 ? {} : { constant_inputs: constantInputs.join(', ') }),
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw InferenceError.from(signal.reason)
}
