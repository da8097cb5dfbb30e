/** Every ONNX model with goldens, in every placement. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import onnx from '../../runtimes/onnx/index.ts'
import type { Batch, Model, PlacementRequest } from '../../src/runtime/index.ts'
import { silentLog, usableCpus } from '../../src/runtime/index.ts'
import { fixtures, shared, withoutShared } from '../paths.ts'
import type { GoldenCase } from './golden.ts'
import { expectClose, readGolden } from './golden.ts'
import { never, specOf } from './model-spec.ts'

/** Refused at load, tested by name elsewhere. */
const notLoadable = ['identity-bf16']
/** Slow on purpose. */
const slow = ['slow-100ms', 'slow-20ms', 'det']

/**
 * All of them but for the slow ones, and for the many small graphs: these differ in datatypes and operators only, and all
 * datatypes travel to threads and processes with the models of this repository.
 */
function placementsOf(folder: string): readonly PlacementRequest[] {
  if (slow.some((name) => folder.endsWith(name))) return ['auto']
  return folder.includes(`${sep}synthetic${sep}`) ? ['pool', 'inline'] : ['pool', 'inline', 'thread', 'process', 'auto']
}

/** Held for the whole run: a pool thread ends with its last session, and starting one takes longer than most cases. */
const held: Model[] = []
beforeAll(async () => {
  const file = join(fixtures, 'models', 'identity-fp32', 'model.onnx')
  for (let count = 0; count < usableCpus(); count += 1) {
    held.push(await onnx.load(specOf(file, { placement: 'pool' }), silentLog, never))
  }
})
afterAll(async () => {
  for (const model of held) await model.close()
})

function goldenFolders(root: string): string[] {
  return readdirSync(root, { recursive: true })
    .map((name) => join(root, String(name)))
    .filter((path) => basename(path) === 'golden.json')
    .map((path) => dirname(path))
    .filter((folder) => !notLoadable.some((name) => folder.endsWith(name)))
}

async function check(model: Model, golden: GoldenCase): Promise<void> {
  const batch: Batch = {
    inputs: golden.inputs.filter((input) => !golden.constantInputs.includes(input.name)),
    ...(golden.fetch === undefined ? {} : { outputs: golden.fetch }),
  }
  if (golden.error === undefined) expectClose(await model.predict(batch, never), golden)
  else await expect(model.predict(batch, never)).rejects.toMatchObject({ name: 'InferenceError', code: 'internal' })
}

async function checkModel(folder: string, file: string, placement: PlacementRequest): Promise<void> {
  const cases = (await readGolden(folder)).filter((golden) => golden.model === file && golden.crash === undefined)
  const model = await onnx.load(specOf(join(folder, file), { placement }), silentLog, never)
  try {
    for (const golden of cases) {
      // The map is no output of ours, so that a run without `fetch` is no error either.
      if (golden.error === 'non-tensor output') continue
      if (golden.constantInputs.length > 0) continue
      await check(model, golden)
    }
  } finally {
    await model.close()
  }
}

function describeModels(root: string): void {
  for (const folder of goldenFolders(root)) {
    const files = readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.onnx'))
    for (const file of files) {
      for (const placement of placementsOf(folder)) {
        const title = `computes the goldens of ${join(relative(root, folder), file)} (${placement})`
        it(title, () => checkModel(folder, file, placement))
      }
    }
  }
}

describe('models of this repository', () => describeModels(join(fixtures, 'models')))

describe.skipIf(shared === undefined)(`shared models (${withoutShared})`, () => {
  if (shared !== undefined && existsSync(shared)) describeModels(join(shared, 'models'))
})
