/** Runs of a model: graphs with and without control flow, and layers. */
import { messageOf } from '../../src/runtime/index.ts'
import type { Core, GraphModel, GraphTensors, LayersModel, TfTensor } from './library.ts'

/** @returns the wanted outputs, in that order */
export type Executor = (inputs: GraphTensors, wanted: readonly string[]) => Promise<readonly TfTensor[]>

/** Without control flow a graph runs in one go; the library tells where it cannot. */
export function graphExecutor(core: Core, model: GraphModel): Executor {
  let isInOneGo = true
  let isDeferred = false
  return async (inputs, wanted) => {
    if (isInOneGo) {
      try {
        return listOf(model.execute({ ...inputs }, wanted))
      } catch (reason) {
        if (!messageOf(reason).includes('executeAsync')) throw reason
        isInOneGo = false
      }
    }
    const execute = async (): Promise<readonly TfTensor[]> => listOf(await model.executeAsync({ ...inputs }, wanted))
    if (isDeferred) return withoutDisposal(core, execute)
    try {
      return await execute()
    } catch (reason) {
      if (!/reading 'backend'|is disposed/.test(messageOf(reason))) throw reason
      isDeferred = true
      return withoutDisposal(core, execute)
    }
  }
}

/**
 * In loops, tfjs 4.22 frees tensors that are used again later ("Cannot read properties of undefined (reading 'backend')").
 * For those models nothing is freed before the run has ended.
 */
async function withoutDisposal<T>(
  { Tensor: { prototype } }: Core,
  work: () => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const { dispose } = prototype
  const later = new Set<TfTensor>()
  prototype.dispose = function () {
    later.add(this)
  }
  let results: readonly unknown[] = []
  try {
    const done = await work()
    results = done
    return done
  } finally {
    prototype.dispose = dispose
    for (const one of later) if (!results.includes(one)) one.dispose()
  }
}

/** Layers take their inputs in the order of the model. */
export function layersExecutor(model: LayersModel): Executor {
  const { inputNames, outputNames } = model
  return async (inputs, wanted) => {
    const given = inputNames.flatMap((name) => inputs[name] ?? [])
    const [only] = given
    const outputs = listOf(model.predictOnBatch(only !== undefined && inputNames.length === 1 ? only : given))
    if (model.stateful) model.resetStates() // one caller's sequence is not continued by the next
    return wanted.flatMap((name) => outputs[outputNames.indexOf(name)] ?? [])
  }
}

function listOf(result: TfTensor | readonly TfTensor[]): readonly TfTensor[] {
  return isList(result) ? result : [result]
}

function isList(result: TfTensor | readonly TfTensor[]): result is readonly TfTensor[] {
  return Array.isArray(result)
}
