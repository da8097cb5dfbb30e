/** Loads one tree model: converted in a thread, then served by the ONNX runtime. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { InferenceError, place } from '../../src/runtime/index.ts'
import type { Log, Model, ModelSpec } from '../../src/runtime/index.ts'
import { loadConverted } from '../onnx/index.ts'
import { adapt } from './adapt.ts'
import type { ConvertOptions, Converted } from './convert.ts'

const convertModule = new URL('./convert.js', import.meta.url)

const ownOptions = z.object({
  /** Which trees of an early-stopped XGBoost model count: those up to the best round, or all. */
  rounds: z.enum(['best', 'all']).default('best'),
})

/** @throws InferenceError that says what is wrong with the file, the options, the device or the installation */
export async function loadTrees(spec: ModelSpec, log: Log, signal: AbortSignal): Promise<Model> {
  if (signal.aborted) throw InferenceError.from(signal.reason)
  const file = await fileOf(spec)
  const { rounds, ...options } = spec.options
  const own = ownOptions.safeParse(rounds === undefined ? {} : { rounds })
  if (!own.success) throw new InferenceError('failed_precondition', "option 'rounds' of runtime 'trees' is best or all")
  const converting: ConvertOptions = { file, allRounds: own.data.rounds === 'all' }
  const session = await place(convertModule, converting, 'pool', { instances: 1, name: spec.ref.name, log, signal })
  const { bytes, library, objective, trees } = session.info as Converted // what convert.ts gives, cloned
  await session.close()
  const parameters = { library, objective, trees }
  const converted = { bytes, platform: `${library}_trees`, parameters }
  return adapt(await loadConverted({ ...spec, file, options }, converted, log, signal))
}

/** Names of KServe's servers and of the libraries' documentation. */
const fileNames = /^[^.].*\.(json|ubj|bst|txt)$/i

/** The file of a model; where only a directory is known, the one in it. */
export async function fileOf(spec: ModelSpec): Promise<string> {
  if (spec.file !== undefined) return spec.file
  const names = (await readdir(spec.directory)).filter((name) => fileNames.test(name))
  const [name] = names
  if (name !== undefined && names.length === 1) return join(spec.directory, name)
  const found = names.length === 0 ? 'none' : names.join(', ')
  throw new InferenceError(
    'failed_precondition',
    `'${spec.directory}' must hold one model file (model.json, model.ubj, model.bst or model.txt): there is ${found}`,
  )
}
