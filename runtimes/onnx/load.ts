/** Loads one ONNX model: device, session, placement, metadata. */
import type {
  Device,
  DeviceChoice,
  Log,
  Model,
  ModelSpec,
  Parameters,
  PlacedSession,
  Placement,
  SystemDescription,
} from '../../src/runtime/index.ts'
import { InferenceError, chooseDevice, messageOf, place, usableCpus } from '../../src/runtime/index.ts'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { choosePlacement, concurrencyOf, inlineConcurrencyOf, threadFileBytes } from './choose-placement.ts'
import { measureHop } from './hop.ts'
import type { OnnxOptions } from './options.ts'
import { nativeOptions, parseOptions } from './options.ts'
import type { Placed } from './placed-model.ts'
import { inlineWithPool, placed } from './placed-model.ts'
import type { OnnxInfo, OnnxSessionOptions } from './session.ts'
import { logWarnings } from './warnings.ts'

const sessionModule = new URL('./session.js', import.meta.url)

/** Everything that the steps of one load share. */
interface Loading {
  readonly spec: ModelSpec
  readonly file: string
  readonly options: OnnxOptions
  readonly choice: DeviceChoice
  readonly log: Log
  readonly signal: AbortSignal
  /** Changed in place where the model moves later. */
  readonly parameters: Record<string, string | number | boolean>
}

/** @throws InferenceError that says what is wrong with the file, the options, the device or the installation */
export async function loadOnnx(
  spec: ModelSpec,
  system: () => Promise<SystemDescription>,
  log: Log,
  signal: AbortSignal,
): Promise<Model> {
  throwIfAborted(signal)
  const file = spec.file ?? join(spec.directory, 'model.onnx')
  const options = parseOptions(spec.options)
  const choice =
    spec.device === 'cpu'
      ? chooseDevice(spec.device, cpuOnly)
      : chooseDevice(spec.device, await system(), { tensorrt: options.tensorrt })
  const loading: Loading = { spec, file, options, choice, log, signal, parameters: {} }
  const model = await openOrFallBack(loading)
  if (log.isDebugEnabled) await logWarnings(file, spec.ref.name, log, signal)
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
  const instances = session.session.instances
  Object.assign(parameters, describe(info, choice, session))
  const { device, device_reason, placement, placement_reason, run_us } = parameters
  log.info(
    { model: spec.ref.name, version: spec.ref.version, device, device_reason, placement, placement_reason, run_us },
    'opened',
  )
  const { hiddenOutputs } = info.signature
  if (hiddenOutputs.length > 0) {
    log.warn({ model: spec.ref.name, outputs: hiddenOutputs }, 'outputs that are no tensors are left out')
  }
  return {
    metadata: {
      platform: 'onnxruntime_onnx',
      inputs: info.signature.inputs,
      outputs: info.signature.outputs,
      parameters,
    },
    memoryBytes: weightBytes(info),
    maxBatchSize: spec.maxBatchSize ?? 0,
    concurrency:
      session.placement === 'inline'
        ? inlineConcurrencyOf(info.timings.runUs)
        : concurrencyOf(info.timings.runUs, session.hopUs, instances),
    predict: (batch, signal) => session.predict(batch, signal),
    close: () => session.close(),
  }
}

/** `info` is that of the session that was measured. */
type Measured = Placed & { readonly hopUs: number; readonly info: OnnxInfo }

async function openPlaced(loading: Loading): Promise<Measured> {
  const { spec } = loading
  switch (spec.placement) {
    case 'inline':
    case 'pool':
    case 'thread':
      return measured(placed(await openIn(loading, spec.placement), 'asked for'))
    case 'auto':
      return openAuto(loading)
  }
}

async function openAuto(loading: Loading): Promise<Measured> {
  if ((await sizeOf(loading.file)) >= threadFileBytes) {
    const session = await openIn(loading, 'thread')
    return measured(placed(session, `its file is larger than ${threadFileBytes / 1e6} MB`))
  }
  const pool = await openIn(loading, 'pool')
  try {
    const choice = choosePlacement(infoOf(pool), loading.choice.device)
    switch (choice.placement) {
      case 'pool':
        return await measured(placed(pool, choice.reason))
      case 'thread': {
        const thread = await openIn(loading, 'thread')
        await pool.close()
        return await measured(placed(thread, choice.reason))
      }
      case 'inline': {
        const { parameters, log, spec } = loading
        const hopUs = await measureHop(pool, infoOf(pool))
        const inline = await openIn(loading, 'inline')
        const both = inlineWithPool(inline, pool, {
          maxBytes: choice.inlineMaxBytes,
          reason: choice.reason,
          log,
          model: spec.ref.name,
          onDemotion: (reason) => Object.assign(parameters, { placement: 'pool', placement_reason: reason }),
        })
        return { ...both, hopUs, info: infoOf(pool) }
      }
    }
  } catch (reason) {
    await pool.close()
    throw reason
  }
}

async function measured(model: Placed): Promise<Measured> {
  const info = infoOf(model.session)
  return { ...model, info, hopUs: await measureHop(model.session, info) }
}

function openIn(loading: Loading, placement: Placement): Promise<PlacedSession> {
  const instances = placement === 'inline' ? 1 : (loading.spec.instances ?? 1)
  // In the pool the threads are the parallelism; own threads share the CPUs.
  const threads = placement === 'thread' ? Math.max(1, Math.floor(usableCpus() / instances)) : 1
  const options: OnnxSessionOptions = {
    file: loading.file,
    native: nativeOptions(loading.options, loading.choice, threads),
  }
  return place(sessionModule, options, placement, { instances })
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
    ...(opsets[''] === undefined ? {} : { opset: opsets[''] }),
    ...(producer === '' ? {} : { producer: `${producer} ${producerVersion}`.trim() }),
    ...(runUs === undefined ? {} : { run_us: Math.round(runUs) }),
    ...(session.hopUs === 0 ? {} : { hop_us: Math.round(session.hopUs) }),
    ...(constantInputs.length === 0 ? {} : { constant_inputs: constantInputs.join(', ') }),
  }
}

/** The files that hold them: what onnxruntime allocates beyond is not told, and the process's memory tells nothing. */
function weightBytes({ file }: OnnxInfo): number {
  return file.externalFiles.reduce((sum, external) => sum + external.bytes, file.fileBytes)
}

function infoOf(session: PlacedSession): OnnxInfo {
  return session.info as OnnxInfo // what session.ts gives, cloned
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0 // the session says what is wrong with it
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw InferenceError.from(signal.reason)
}
