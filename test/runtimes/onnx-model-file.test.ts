import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readModelFile } from '../../runtimes/onnx/model-file.ts'
import { InferenceError } from '../../src/runtime/index.ts'
import { fixtures } from '../paths.ts'

/** A small generator of numbers below 2^32, the same in every run (Numerical Recipes' constants). */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0)
}

describe('the reader of model files', () => {
  let folder = ''
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'servable-'))))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('reads versions, operators and shapes', () => {
    const model = readModelFile(join(fixtures, 'models', 'add-sub', 'model.onnx'))
    expect(model).toMatchObject({ irVersion: 8, opsets: { '': 17 }, operators: { Add: 1, Sub: 1 } })
    expect(model.inputs).toEqual([
      { name: 'INPUT0', elementType: 6, dimensions: ['N', 16] },
      { name: 'INPUT1', elementType: 6, dimensions: ['N', 16] },
    ])
    expect(model.outputs.map(({ name }) => name)).toEqual(['OUTPUT0', 'OUTPUT1'])
  })

  it('answers damaged files with an InferenceError, whatever the damage', () => {
    const bytes = readFileSync(join(fixtures, 'models', 'iris-logreg', 'model.onnx'))
    const file = join(folder, 'damaged.onnx')
    const next = numbers(1)
    let refused = 0
    for (let round = 0; round < 3000; round += 1) {
      const damaged = Buffer.from(bytes.subarray(0, round % 3 === 0 ? next() % bytes.length : bytes.length))
      for (let flips = next() % 8; flips >= 0 && damaged.length > 0; flips -= 1)
        damaged[next() % damaged.length] = next()
      writeFileSync(file, damaged)
      try {
        readModelFile(file)
      } catch (reason) {
        expect(reason).toBeInstanceOf(InferenceError)
        refused += 1
      }
    }
    expect(refused).toBeGreaterThan(500)
  })

  it('refuses graphs nested without end, and lengths without sense', () => {
    const file = join(folder, 'hostile.onnx')
    let graph: number[] = []
    for (let depth = 0; depth < 40; depth += 1) graph = message(1, message(5, message(6, graph)))
    writeFileSync(file, Buffer.from(message(7, graph)))
    expect(() => readModelFile(file)).toThrow(/nested deeper than 32/)
    writeFileSync(file, Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))
    expect(() => readModelFile(file)).toThrow(/cut short/)
    writeFileSync(file, Buffer.from([8, ...new Array<number>(20).fill(0x80)]))
    expect(() => readModelFile(file)).toThrow(/longer than 10 bytes/)
  })
})

/** A length-delimited field. */
function message(field: number, value: readonly number[]): number[] {
  const length: number[] = []
  for (let rest = value.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest >= 128 ? (rest % 128) + 128 : rest)
    if (rest < 128) break
  }
  return [field * 8 + 2, ...length, ...value]
}
