/** The best classes by name. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TensorMetadata } from '../../src/core/model.ts'
import { tensor, type Tensor } from '../../src/core/tensor.ts'
import { createClassNames, createLabelsHook } from '../../src/hooks/labels-hook.ts'
import { labelsOptions } from '../../src/hooks/labels-options.ts'
import { directoryWith } from '../repository/directories.ts'
import { context, metadataOf, responseWith, signatureOf } from './calls.ts'

const scores = metadataOf('p', 'FP32', [-1, 3])

async function hookFor(
  labels: string | Uint8Array,
  outputs: readonly TensorMetadata[] = [scores],
  options: object = {},
) {
  const root = await directoryWith({ 'labels.txt': labels })
  const file = { options: labelsOptions.parse(options), path: join(root, 'labels.txt'), root }
  return createLabelsHook(file, signatureOf([], outputs))
}

/** Names and scores that the hook adds to one output. */
async function label(output: Tensor, labels = 'ant\nbee\ncat\n', options: object = {}) {
  const hook = await hookFor(
    labels,
    [{ ...scores, datatype: output.datatype, shape: [...output.shape.slice(0, -1), -1] }],
    {
      output: 'p',
      ...options,
    },
  )
  const answer = await hook.postprocess?.(responseWith(output), context())
  const [, names, best] = answer?.outputs ?? []
  if (names?.datatype !== 'BYTES') return undefined
  return {
    names: names.data.map((bytes) => new TextDecoder().decode(bytes)),
    shape: names.shape,
    scores: [...(best?.data ?? [])],
  }
}

const floats = (shape: readonly number[], ...data: number[]) => tensor('p', 'FP32', shape, Float32Array.from(data))

describe('the labels', () => {
  it('are the best k of each row, best first, beside what the model gives', async () => {
    const hook = await hookFor('ant\nbee\ncat\n', [metadataOf('other', 'INT64', [-1]), scores], { top_k: 2 })
    expect(hook.outputs).toEqual([
      metadataOf('other', 'INT64', [-1]),
      scores,
      metadataOf('labels', 'BYTES', [-1, 2]),
      metadataOf('scores', 'FP32', [-1, 2]),
    ])
    const other = tensor('other', 'INT64', [2], BigInt64Array.of(1n, 2n))
    const answer = await hook.postprocess?.(responseWith(other, floats([2, 3], 0.25, 0.5, 0.125, 1, 0, 2)), context())
    expect(answer?.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['other', [2]],
      ['p', [2, 3]],
      ['labels', [2, 2]],
      ['scores', [2, 2]],
    ])
    expect(answer?.outputs[2]?.data).toEqual(['bee', 'ant', 'cat', 'ant'].map((text) => new TextEncoder().encode(text)))
    expect(answer?.outputs[3]?.data).toEqual(Float32Array.of(0.5, 0.25, 2, 1))
  })
  it('keep the order of the classes where scores are equal, and put NaN last', async () => {
    expect(await label(floats([1, 3], 0.5, 0.5, 0.5))).toEqual({
      names: ['ant', 'bee', 'cat'],
      shape: [1, 3],
      scores: [0.5, 0.5, 0.5],
    })
    expect((await label(floats([1, 3], NaN, -1, 0)))?.names).toEqual(['cat', 'bee', 'ant'])
    expect((await label(floats([1, 3], NaN, -Infinity, 0)))?.names[0]).toBe('cat')
  })
  it('need no batch, and work over any number of dimensions and no rows', async () => {
    expect(await label(floats([3], 0, 1, 2), undefined, { top_k: 1 })).toEqual({
      names: ['cat'],
      shape: [1],
      scores: [2],
    })
    expect((await label(floats([1, 2, 3], 0, 1, 2, 2, 1, 0), undefined, { top_k: 1 }))?.shape).toEqual([1, 2, 1])
    expect(await label(floats([0, 3]))).toEqual({ names: [], shape: [0, 3], scores: [] })
  })
  it.each([
    tensor('p', 'FP16', [3], Uint16Array.of(0x3c00, 0x4000, 0)),
    tensor('p', 'BF16', [3], Uint16Array.of(0x3f80, 0x4000, 0)),
    tensor('p', 'FP64', [3], Float64Array.of(1, 2, 0)),
    tensor('p', 'INT64', [3], BigInt64Array.of(1n, 2n, 0n)),
    tensor('p', 'UINT8', [3], Uint8Array.of(1, 2, 0)),
  ])('come from $datatype', async (output) => {
    expect(await label(output)).toEqual({ names: ['bee', 'ant', 'cat'], shape: [3], scores: [2, 1, 0] })
  })
})

describe('the file', () => {
  it.each([
    ['one per line', 'ant\nbee\ncat'],
    ['with an end of line and Windows ends', 'ant\r\nbee\r\ncat\r\n\r\n'],
    ['with a byte order mark', '\uFEFFant\nbee\ncat'],
    ['as JSON', '["ant", "bee", "cat"]'],
  ])('holds labels %s', async (_, text) => {
    expect((await label(floats([1, 3], 3, 2, 1), text))?.names).toEqual(['ant', 'bee', 'cat'])
  })
  it.each([
    ['ant\nbee', "has 2 labels, output 'p' has 3 classes"],
    ['ant\n\ncat', 'label 2 is empty'],
    ['["ant", 2]', 'must be a JSON array of strings'],
    ['["ant"', 'is no valid JSON'],
  ])('%j is refused', async (text, reason) => {
    await expect(hookFor(text)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(reason) as string,
    })
  })
  it('must be there, inside of the model', async () => {
    const root = await directoryWith({ 'm/x': '', 'labels.txt': 'a\nb\nc', 'm/link.txt': { link: '../labels.txt' } })
    const at = (path: string) =>
      createLabelsHook(
        { options: labelsOptions.parse({}), path: join(root, path), root: join(root, 'm') },
        signatureOf([], [scores]),
      )
    await expect(at('m/gone.txt')).rejects.toThrow(/labels: .*gone\.txt does not exist/)
    await expect(at('labels.txt')).rejects.toThrow("lies outside of the model's directory")
    await expect(at('m/link.txt')).rejects.toThrow("lies outside of the model's directory")
    await expect(at('m')).rejects.toThrow('is no file')
  })
})

describe('options that do not fit the model', () => {
  it.each([
    [{ output: 'q' }, [scores], "labels: the model has no output 'q'; it has 'p'"],
    [
      { output: 'p' },
      [{ ...scores, datatype: 'BYTES' as const }],
      "labels: output 'p' is BYTES; scores must be numbers",
    ],
    [{ output: 'p' }, [{ ...scores, shape: [] }], "labels: output 'p' is a scalar"],
    [
      {},
      [scores, { ...scores, name: 'q' }],
      "labels: say which output holds the scores, as output: <name>; the model has 'p', 'q'",
    ],
    [{ label_output: 'p' }, [scores], "labels: 'p' is the name of another output already"],
    [{ label_output: 'a', score_output: 'a' }, [scores], "labels: 'a' is the name of another output already"],
  ])('%j', async (options, outputs, message) => {
    await expect(hookFor('a\nb\nc', outputs, options)).rejects.toThrow(message)
  })
  it('are found at the call where the model leaves the number of classes open', async () => {
    await expect(label(floats([1, 2], 0, 1))).rejects.toMatchObject({
      code: 'internal',
      message: "labels: output 'p' has 2 classes, there are 3 labels",
    })
  })
})

describe('the names of classes without the hook', () => {
  const namesFor = async (outputs: readonly TensorMetadata[]) => {
    const root = await directoryWith({ 'labels.txt': 'ant\nbee\ncat\n' })
    return createClassNames({ path: join(root, 'labels.txt'), root }, signatureOf([], outputs))
  }

  it('belong to the outputs with as many classes, or with any number of them', async () => {
    const outputs = [scores, metadataOf('free', 'FP32', [-1, -1]), metadataOf('id', 'INT64', [-1])]
    const { labels, ...rest } = await namesFor(outputs)
    expect([...(labels ?? [])]).toEqual([
      ['p', ['ant', 'bee', 'cat']],
      ['free', ['ant', 'bee', 'cat']],
    ])
    expect(rest).toEqual({})
  })

  it('are refused where no output has as many classes', async () => {
    await expect(namesFor([metadataOf('p', 'FP32', [-1, 4])])).rejects.toThrow('no output has as many classes')
  })
})
