/** Classify, Regress and MultiInference of TF Serving over a socket. */
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { simple } from './models.ts'
import type { Message } from './support.ts'
import { failsWith, literally, startServing, type ServingClient, type ServingHarness } from './tfserving-client.ts'
import { classifier, halfPlusTwo, textLength } from './tfserving-models.ts'

const example = (features: Readonly<Record<string, object>>) => ({ features: { feature: features } })
const float = (...value: readonly number[]) => ({ float_list: { value } })
const int64 = (...value: readonly (number | string)[]) => ({ int64_list: { value } })
const bytes = (...value: readonly string[]) => ({ bytes_list: { value: value.map((text) => Buffer.from(text)) } })
const list = (...examples: readonly object[]) => ({ example_list: { examples } })
const row = (weight: number) => example({ a: float(weight / 2, weight / 4), weight: int64(weight) })

let harness: ServingHarness
let client: ServingClient
beforeAll(async () => {
  harness = await startServing({ half_plus_two: halfPlusTwo, simple, classifier, text_length: textLength })
  client = harness.client
})
afterAll(() => harness.close())

describe('Classify, Regress and MultiInference', () => {
  const ask = (name: string, input: object, spec: object = {}): Message => ({ model_spec: { name, ...spec }, input })

  it('H9 answer 3.0 for x = 2', async () => {
    const request = ask('half_plus_two', list(example({ x: float(2) })))
    const regression = await client.call('Regress', request)
    expect(regression.result).toEqual({ regressions: [{ value: 3 }] })
    expect(regression.model_spec).toMatchObject({ version: { value: '123' }, signature_name: 'serving_default' })
    const classification = await client.call('Classify', request)
    expect(classification.result).toEqual({ classifications: [{ classes: [{ label: '', score: 3 }] }] })
  })

  it('answer one row per example, in order, with labels', async () => {
    const { result } = await client.call('Classify', ask('classifier', list(row(8), row(4))))
    const classes = (...scores: readonly number[]) => ({
      classes: ['first', 'second', 'third'].map((label, index) => ({ label, score: scores[index] })),
    })
    expect(result).toEqual({ classifications: [classes(4, 2, 8), classes(2, 1, 4)] })
  })

  it('take features in common from the context, unless an example brings its own', async () => {
    const input = {
      example_list_with_context: {
        examples: [example({ x: float(2) }), example({})],
        context: example({ x: float(6) }),
      },
    }
    expect((await client.call('Regress', ask('half_plus_two', input))).result).toEqual({
      regressions: [{ value: 3 }, { value: 5 }],
    })
  })

  it('take integers for floats, and ignore features that the model has not', async () => {
    const input = list(example({ x: int64(2), other: bytes('text') }))
    expect((await client.call('Regress', ask('half_plus_two', input))).result).toEqual({ regressions: [{ value: 3 }] })
  })

  it('name a feature that is missing, of another kind, or of another size', async () => {
    const regress = (features: Readonly<Record<string, object>>) =>
      client.call('Regress', ask('half_plus_two', list(example({ x: float(1) }), example(features))))
    await failsWith(
      regress({ z: float(1) }),
      status.INVALID_ARGUMENT,
      literally('examples[1]: Feature: x (data type: float) is required but could not be found.'),
    )
    await failsWith(
      regress({ x: bytes('1') }),
      status.INVALID_ARGUMENT,
      /examples\[1\]: Key: x\. Data types don't match\. Expected type: float/,
    )
    await failsWith(
      regress({ x: float(1, 2) }),
      status.INVALID_ARGUMENT,
      /examples\[1\]: Key: x\. Number of float values != expected\. Values size: 2 but output shape: \[1\]/,
    )
  })

  it('refuse an input without examples', async () => {
    for (const input of [list(), {}]) {
      await failsWith(
        client.call('Regress', ask('half_plus_two', input)),
        status.INVALID_ARGUMENT,
        literally('Input is empty.'),
      )
    }
  })

  it('say why a model cannot classify or regress', async () => {
    const input = list(example({ text: bytes('abc') }))
    await failsWith(
      client.call('Classify', ask('text_length', input)),
      status.FAILED_PRECONDITION,
      /model 'text_length' cannot classify.*'length' INT32 \[1\]/,
    )
    await failsWith(
      client.call('Regress', ask('classifier', list(row(1)))),
      status.FAILED_PRECONDITION,
      /cannot regress/,
    )
  })

  it('refuse unknown models and signatures', async () => {
    await failsWith(client.call('Classify', ask('foo', list())), status.NOT_FOUND, /Latest\(foo\)/)
    await failsWith(
      client.call('Classify', ask('half_plus_two', list(), { signature_name: 'nope' })),
      status.INVALID_ARGUMENT,
      /nope|empty/,
    )
    await failsWith(
      client.call('Regress', ask('half_plus_two', list(example({ x: float(1) })), { signature_name: 'nope' })),
      status.INVALID_ARGUMENT,
      literally('No signature was found with the name: nope'),
    )
  })

  it('H10 answer several tasks for the same examples', async () => {
    const task = (method: string, spec: object = {}) => ({
      model_spec: { name: 'half_plus_two', ...spec },
      method_name: `tensorflow/serving/${method}`,
    })
    const input = list(example({ x: float(2) }))
    const { results } = await client.call('MultiInference', { tasks: [task('regress'), task('classify')], input })
    expect(results).toMatchObject([
      {
        model_spec: { name: 'half_plus_two', version: { value: '123' } },
        regression_result: { regressions: [{ value: 3 }] },
      },
      { classification_result: { classifications: [{ classes: [{ label: '', score: 3 }] }] } },
    ])
    const multi = (...tasks: readonly object[]) => client.call('MultiInference', { tasks, input })
    await failsWith(
      multi(task('regress'), task('regress')),
      status.INVALID_ARGUMENT,
      literally('Duplicate evaluation of signature: serving_default'),
    )
    await failsWith(
      multi(task('regress'), task('classify', { name: 'simple' })),
      status.INVALID_ARGUMENT,
      /must access the same model name/,
    )
    await failsWith(multi(task('regress', { name: '' })), status.INVALID_ARGUMENT, /empty model name/)
    await failsWith(
      multi(task('predict')),
      status.UNIMPLEMENTED,
      /Unsupported signature method_name: tensorflow\/serving\/predict/,
    )
    await failsWith(multi(), status.INVALID_ARGUMENT, /no tasks/)
  })
})
