/** Names of signatures: what they find, and what travels with a request. */
import { describe, expect, it } from 'vitest'
import type { NamedSignature } from '../../src/core/model.ts'
import { allSignatures, choosing, chosenSignature, findSignature } from '../../src/core/named-signature.ts'

const signature = (name: string): NamedSignature => ({ name, methodName: 'm', inputs: [], outputs: [] })
const [own, other] = [signature('own'), signature('other')]
const several = { inputs: own.inputs, outputs: own.outputs, signatures: [own, other] }
const single = { inputs: [], outputs: [] }

describe('findSignature', () => {
  it('finds the model itself by its own name, and by what protocols call it', () => {
    for (const name of ['own', '', 'serving_default', 'predict']) expect(findSignature(several, name)).toBe(several)
    for (const name of ['', 'serving_default', 'predict']) expect(findSignature(single, name)).toBe(single)
  })

  it('finds others by their names alone', () => {
    expect(findSignature(several, 'other')).toBe(other)
    expect(findSignature(several, 'constructor')).toBeUndefined()
    expect(findSignature(single, 'other')).toBeUndefined()
  })

  it('prefers a signature that is called so', () => {
    const predict = signature('predict')
    expect(findSignature({ ...several, signatures: [own, predict] }, 'predict')).toBe(predict)
  })
})

describe('a request', () => {
  it('carries the name of any signature but the first', () => {
    expect(choosing(several, other)).toEqual({ parameters: { signature_name: 'other' } })
    expect(choosing(several, several)).toEqual({})
    expect(choosing(single, single)).toEqual({})
  })

  it('chooses by its parameter, which means nothing to a model without named signatures', () => {
    expect(chosenSignature(several, { signature_name: 'other' }, 'm')).toBe(other)
    expect(chosenSignature(several, undefined, 'm')).toBe(several)
    expect(chosenSignature(single, { signature_name: 'other' }, 'm')).toBe(single)
    expect(() => chosenSignature(several, { signature_name: true }, 'm')).toThrow('There are own, other.')
  })
})

describe('allSignatures', () => {
  it('shows of the first what callers see', () => {
    const inputs = [{ name: 'image', datatype: 'BYTES', shape: [-1] }] as const
    expect(allSignatures({ ...several, inputs })).toEqual([{ ...own, inputs }, other])
    expect(allSignatures(single)).toMatchObject([{ name: 'serving_default', methodName: 'tensorflow/serving/predict' }])
  })
})
