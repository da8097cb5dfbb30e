/** TensorFlow.js models whose files, options or packages are not as they should be. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import tfjs from '../../runtimes/tfjs/index.ts'
import { findPackages } from '../../runtimes/tfjs/packages.ts'
import { chooseBackend } from '../../runtimes/tfjs/session.ts'
import { silentLog } from '../../src/runtime/index.ts'
import type { ModelSpec } from '../../src/runtime/index.ts'
import { never, specOf } from './model-spec.ts'
import { writeHalfPlusTwo } from './tfjs-models.ts'

const scratch = mkdtempSync(join(tmpdir(), 'servable-tfjs-files-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

type Json = Record<string, unknown>

/** Changes the text of a sound model, and tells why it is not loaded. */
async function refusal(change: (json: Json) => Json | string, more: Partial<ModelSpec> = {}): Promise<string> {
  const file = writeHalfPlusTwo(join(mkdtempSync(join(scratch, 'model-')), 'm'))
  const changed = change(JSON.parse(readFileSync(file, 'utf8')) as Json)
  writeFileSync(file, typeof changed === 'string' ? changed : JSON.stringify(changed))
  return refusalOf(specOf(file, { format: 'tfjs', ...more }))
}

async function refusalOf(spec: ModelSpec): Promise<string> {
  const reason: unknown = await tfjs.load(spec, silentLog, never).then(
    () => 'it was loaded',
    (failure: unknown) => failure,
  )
  expect(reason).toMatchObject({ name: 'InferenceError', code: 'failed_precondition' })
  return reason instanceof Error ? reason.message : String(reason)
}

const weights = [
  { name: 'a', shape: [], dtype: 'float32' },
  { name: 'b', shape: [], dtype: 'float32' },
]
const manifest = (group: Json) => (json: Json) => ({
  ...json,
  weightsManifest: [{ paths: ['group1-shard1of1.bin'], weights, ...group }],
})

describe('a model.json that is refused', () => {
  it.each([
    ['no JSON', () => '{"modelTopology": {', /model\.json' is no JSON, or cut short/],
    ['no topology', ({ weightsManifest }: Json) => ({ weightsManifest }), /model\.json': modelTopology: /],
    ['another format', (json: Json) => ({ ...json, format: 'pickle' }), /model\.json': format: /],
    ['neither graph nor layers', (json: Json) => ({ ...json, format: undefined, modelTopology: {} }), /neither nodes/],
    [
      'weights of a type that is none',
      manifest({ weights: [{ name: 'a', shape: [], dtype: 'float8' }] }),
      /weightsManifest\.0\.weights\.0\.dtype/,
    ],
    ['a negative shape', manifest({ weights: [{ name: 'a', shape: [-2], dtype: 'int32' }] }), /weights\.0\.shape\.0/],
    [
      'an endless shape',
      manifest({ weights: [{ name: 'a', shape: [9e15, 9e15], dtype: 'int32' }] }),
      /weight 'a' of shape .* larger than any file/,
    ],
    [
      'more weights than bytes',
      manifest({ weights: [...weights, { name: 'c', shape: [2], dtype: 'int32' }] }),
      /weightsManifest\.0: its weights take 16 bytes, its files group1-shard1of1\.bin have 8/,
    ],
    ['more bytes than weights', manifest({ weights: weights.slice(1) }), /take 4 bytes, .* have 8/],
    ['a file that is not there', manifest({ paths: ['gone.bin'] }), /weight file 'gone\.bin' cannot be read/],
    ['a file that is a directory', manifest({ paths: ['.'] }), /'\.' is no file/],
    [
      'a file above the model',
      manifest({ paths: ['../m/group1-shard1of1.bin', '../../x'] }),
      /'\.\.\/m\/group1-shard1of1\.bin' lies outside of the model's directory/,
    ],
    ['a file by a way around', manifest({ paths: ['a/../../x'] }), /'a\/\.\.\/\.\.\/x' lies outside/],
    ['a file from the root', manifest({ paths: ['/etc/hostname'] }), /'\/etc\/hostname' lies outside/],
    [
      'an operator that nobody knows',
      (json: Json) => JSON.parse(JSON.stringify(json).replace('"Mul"', '"Nul"')) as Json,
      /Nul/,
    ],
    [
      'complex numbers',
      (json: Json) => JSON.parse(JSON.stringify(json).replace(/("x:0","dtype":")DT_FLOAT/, '$1DT_COMPLEX64')) as Json,
      /input 'x' has dtype DT_COMPLEX64; served are/,
    ],
  ] as const)('has %s', async (_what, change, reason) => {
    expect(await refusal(change)).toMatch(reason)
  })

  it('is not there, or its weights are cut short', async () => {
    const file = writeHalfPlusTwo(join(mkdtempSync(join(scratch, 'model-')), 'm'))
    truncateSync(join(dirname(file), 'group1-shard1of1.bin'), 5)
    expect(await refusalOf(specOf(file, { format: 'tfjs' }))).toMatch(/take 8 bytes, .* have 5: copy them again/)
    rmSync(file)
    expect(await refusalOf(specOf(file, { format: 'tfjs' }))).toMatch(/a TensorFlow\.js model needs '.*model\.json'/)
  })
})

describe('what cannot be done', () => {
  it('names options and devices', async () => {
    const same = (json: Json) => json
    expect(await refusal(same, { options: { backend: 'webgl' } })).toContain(
      "option 'backend' of runtime 'tfjs' is auto, wasm or cpu",
    )
    expect(await refusal(same, { options: { back: 1 } })).toContain("unknown option 'back'")
    expect(await refusal(same, { device: 'cuda' })).toContain('device cuda was asked for')
  })

  it('says the command where packages are missing', () => {
    expect(() => findPackages(() => undefined)).toThrow('npm install @tensorflow/tfjs-core @tensorflow/tfjs-layers')
    const withoutWasm = findPackages((name) => (name.endsWith('wasm') ? undefined : `/${name}`))
    const packages = { ...withoutWasm, core: 'c' }
    expect(chooseBackend('auto', packages, { hasTexts: false })).toMatchObject({ backend: 'cpu' })
    expect(() => chooseBackend('wasm', packages, { hasTexts: false })).toThrow(
      'npm install @tensorflow/tfjs-backend-wasm',
    )
    expect(chooseBackend('auto', { ...packages, wasm: 'w' }, { hasTexts: false })).toMatchObject({ backend: 'wasm' })
    expect(chooseBackend('auto', { ...packages, wasm: 'w' }, { hasTexts: true })).toMatchObject({ backend: 'cpu' })
  })
})
