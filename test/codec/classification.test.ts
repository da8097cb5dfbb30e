/** Outputs of models as what Classify and Regress answer. */
import { describe, expect, it } from 'vitest'
import { exampleResult } from '../../src/codec/classification.ts'
import { tensor } from '../../src/core/tensor.ts'

describe('exampleResult', () => {
  const model = { name: 'm', version: '1' }
  const labels = tensor('classes', 'BYTES', [2, 1], [Buffer.from('cat'), Buffer.from('dog')])

  it('takes classes without scores, as TensorFlow Serving does', () => {
    expect(exampleResult('classify', { model, outputs: [labels] }, 2)).toEqual({
      kind: 'classify',
      classes: [[{ label: 'cat', score: 0 }], [{ label: 'dog', score: 0 }]],
    })
  })

  it('takes the scores of classes where there are any', () => {
    const scores = tensor('scores', 'FP32', [2, 1], Float32Array.of(0.5, 1))
    expect(exampleResult('classify', { model, outputs: [labels, scores] }, 2)).toEqual({
      kind: 'classify',
      classes: [[{ label: 'cat', score: 0.5 }], [{ label: 'dog', score: 1 }]],
    })
  })

  it('does not take any strings for classes', () => {
    const outputs = [{ ...labels, name: 'text' }]
    expect(() => exampleResult('classify', { model, outputs }, 2)).toThrow("model 'm' cannot classify")
  })
})
