/** Several signatures of one model over every door: chosen by name, and described. */
import { status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { tensor } from '../../src/core/tensor.ts'
import { failsWith, literally, messageCodec } from '../grpc/tfserving-client.ts'
import { exampleBytes, exampleOf, int64, start, there } from './several-signatures.ts'

describe('signature_name over REST V1', () => {
  it('chooses inputs and outputs, wherever it stands in the body', async () => {
    const { url, v1 } = await start()
    const first = '{"signature_name":"twice","instances":[1,2]}'
    for (const body of [first, '{"instances":[1,2],"signature_name":"twice"}', first.replace('_', '\\u005f')]) {
      const response = await fetch(`${url.http}/v1/models/several:predict`, { method: 'POST', body })
      expect(await response.json()).toEqual({ predictions: [2, 4] })
    }
    expect((await v1('predict', { signature_name: 'twice', inputs: { a: [3] } })).body).toEqual({ outputs: [6] })
  })

  it('is the model itself by its own name, by predict, and where there is none', async () => {
    const { v1, batches } = await start()
    for (const more of [{}, { signature_name: 'serving_default' }, { signature_name: 'predict' }]) {
      expect((await v1('predict', { ...more, instances: [1.5] })).body).toEqual({ predictions: [2.5] })
    }
    expect(batches.every(({ parameters }) => parameters === undefined)).toBe(true)
  })

  it('gives examples as they are to a signature that parses them', async () => {
    const { v1, batches } = await start()
    const examplesOfOne = { examples: [{ x: 1.5 }, { x: 2.5 }] }
    const regressed = await v1('regress', { signature_name: 'regress_length', ...examplesOfOne })
    expect(regressed.body).toEqual({ results: [exampleBytes, exampleBytes] })
    expect(batches[0]?.inputs).toMatchObject([{ name: 'inputs', datatype: 'BYTES', shape: [2] }])
    const context = { context: { name: 'all' }, ...examplesOfOne }
    const classified = await v1('classify', { signature_name: 'classify_length', ...context })
    expect(classified.body).toEqual({ results: [[['', expect.any(Number)]], [['', expect.any(Number)]]] })
    expect((await v1('regress', { examples: [{ x: 1 }] })).body).toEqual({ results: [2] }) // the model's own inputs
  })

  it('is refused in the words of TensorFlow Serving, and those that exist are named', async () => {
    const { v1 } = await start()
    const refused = async (verb: string, name: string, error: string): Promise<void> => {
      const body = verb === 'predict' ? { instances: [1] } : { examples: [{ x: 1.5 }] }
      const answer = await v1(verb, { signature_name: name, ...body })
      expect([answer.status, answer.body]).toEqual([400, { error }])
    }
    await refused('predict', 'nope', `Serving signature name: "nope" not found in signature def.${there}`)
    await refused('predict', '__proto__', `Serving signature name: "__proto__" not found in signature def.${there}`)
    await refused('regress', 'nope', `No signature was found with the name: nope.${there}`)
    const method = 'Expected classification signature method_name to be tensorflow/serving/classify.'
    await refused('classify', 'regress_length', `${method} Was: tensorflow/serving/regress`)
    const outputs = 'Expected regression signature outputs to contain at least one of "outputs".'
    await refused('regress', 'classify_length', `${outputs} Signature has: scores`)
  })

  it('takes no tensors of another signature', async () => {
    const { v1 } = await start()
    expect((await v1('predict', { signature_name: 'twice', inputs: { x: [1] } })).status).toBe(400)
  })

  it('is described with all others, under the names of the graph', async () => {
    const { url } = await start()
    const answer: unknown = await (await fetch(`${url.http}/v1/models/several/metadata`)).json()
    const shape = { tensor_shape: { dim: [{ size: '-1', name: '' }], unknown_rank: false } }
    const inputs = {
      inputs: { dtype: 'DT_STRING', tensor_shape: { dim: [], unknown_rank: true }, name: 'tf_example:0' },
    }
    expect(answer).toMatchObject({
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: { inputs: { x: { dtype: 'DT_FLOAT', ...shape, name: 'x:0' } } },
            classify_length: { inputs, method_name: 'tensorflow/serving/predict' },
            regress_length: { inputs, method_name: 'tensorflow/serving/regress', defaults: {} },
            twice: { outputs: { b: { dtype: 'DT_INT64', ...shape, name: 'b:0' } }, method_name: '' },
          },
        },
      },
    })
  })
})

describe('signature_name over gRPC V1', () => {
  const floats = (...value: readonly number[]) => ({
    ...{ dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: value.length }] } },
    float_val: value,
  })
  const integers = (...value: readonly number[]) => ({
    ...{ dtype: 'DT_INT64', tensor_shape: { dim: [{ size: value.length }] } },
    int64_val: value,
  })
  const input = { example_list: { examples: [exampleOf(1.5)] } }

  it('chooses inputs and outputs, and is told in the answer', async () => {
    const { serving, spec } = await start()
    const twice = await serving.call('Predict', { ...spec('twice'), inputs: { a: integers(4) } })
    expect(twice.outputs['b']).toMatchObject({ dtype: 'DT_INT64', int64_val: ['8'] })
    expect(twice.model_spec.signature_name).toBe('twice')
    const plain = await serving.call('Predict', { ...spec(''), inputs: { x: floats(1) } })
    expect(plain.model_spec.signature_name).toBe('serving_default')
    const mixed = serving.call('Predict', { ...spec('twice'), inputs: { x: floats(1) } })
    await failsWith(mixed, status.INVALID_ARGUMENT, /Sent extra: \{x\}. Missing but required: \{a\}/)
  })

  it('gives examples as they are, with those of the context in front', async () => {
    const { serving, spec, batches } = await start()
    const regressed = await serving.call('Regress', { ...spec('regress_length'), input })
    expect(regressed.result).toEqual({ regressions: [{ value: exampleBytes }] })
    expect(regressed.model_spec.signature_name).toBe('regress_length')
    const example_list_with_context = { examples: [exampleOf(1), exampleOf(2)], context: exampleOf(3) }
    await serving.call('Classify', { ...spec('classify_length'), input: { example_list_with_context } })
    const { data = [] } = batches[1]?.inputs[0] ?? {}
    const [, last] = data
    // As protobuf reads it, what comes last counts.
    expect(messageCodec('tensorflow.serving.Input').decode(inputOf(last))).toMatchObject({
      example_list: { examples: [exampleOf(2)] },
    })
  })

  it('answers several signatures in one call, each once', async () => {
    const { serving } = await start()
    const task = (name: string, method: string) => ({
      model_spec: { name: 'several', signature_name: name },
      method_name: `tensorflow/serving/${method}`,
    })
    const tasks = [task('regress_length', 'regress'), task('classify_length', 'classify')]
    const { results } = await serving.call('MultiInference', { tasks, input })
    expect(results).toMatchObject([
      {
        model_spec: { signature_name: 'regress_length' },
        regression_result: { regressions: [{ value: exampleBytes }] },
      },
      { classification_result: { classifications: [{ classes: [{ score: exampleBytes }] }] } },
    ])
    const twice = [task('regress_length', 'regress'), task('regress_length', 'regress')]
    await failsWith(
      serving.call('MultiInference', { tasks: twice, input }),
      status.INVALID_ARGUMENT,
      literally('Duplicate evaluation of signature: regress_length'),
    )
  })

  it('is refused in the words of TensorFlow Serving, and those that exist are named', async () => {
    const { serving, spec } = await start()
    await failsWith(
      serving.call('Predict', { ...spec('nope'), inputs: { x: floats(1) } }),
      status.FAILED_PRECONDITION,
      literally(`Serving signature key "nope" not found.${there}`),
    )
    await failsWith(
      serving.call('Regress', { ...spec('nope'), input }),
      status.INVALID_ARGUMENT,
      literally(`No signature was found with the name: nope.${there}`),
    )
  })

  it('is described with all others', async () => {
    const { serving } = await start()
    const answer = await serving.call('GetModelMetadata', {
      model_spec: { name: 'several' },
      metadata_field: ['signature_def'],
    })
    const { value } = answer.metadata['signature_def'] as { value: Buffer } // an Any
    expect(messageCodec('tensorflow.serving.SignatureDefMap').decode(value)).toMatchObject({
      signature_def: {
        serving_default: { method_name: 'tensorflow/serving/predict', inputs: { x: { name: 'x:0' } } },
        classify_length: { inputs: { inputs: { name: 'tf_example:0', tensor_shape: { unknown_rank: true } } } },
        regress_length: { method_name: 'tensorflow/serving/regress' },
        twice: { method_name: '', inputs: { a: { dtype: 'DT_INT64' } } },
      },
    })
  })
})

describe('the parameter signature_name over V2', () => {
  it('chooses inputs and outputs, over REST and gRPC', async () => {
    const { v2, client, batches } = await start()
    const parameters = { signature_name: 'twice' }
    expect((await v2(int64([5], { parameters }))).body).toMatchObject({ outputs: [{ name: 'b', data: [10] }] })
    const a = tensor('a', 'INT64', [1], BigInt64Array.of(6n))
    for (const protocol of ['v1', 'v2', 'grpc-v1', 'grpc-v2'] as const) {
      const [b] = Object.values((await client(protocol).infer('several', { a }, { parameters })).outputs)
      expect(Array.from(b?.data ?? [], Number)).toEqual([12])
    }
    expect((await v2(int64([5]))).status).toBe(400) // input 'a' is not the model's own
    const x = { name: 'x', datatype: 'FP32', shape: [1], data: [1] }
    await v2({ inputs: [x], parameters: { signature_name: 'serving_default', priority: 1 } })
    expect(batches.at(-1)?.parameters).toBeUndefined()
  })

  it('names those that exist where it is unknown', async () => {
    const { v2 } = await start()
    for (const name of ['nope', 7]) {
      const { status: code, body } = await v2(int64([5], { parameters: { signature_name: name } }))
      const error = `parameter 'signature_name': model 'several' has no signature ${JSON.stringify(name)}.${there}`
      expect([code, body]).toEqual([400, { error }])
    }
  })
})

/** A serialized example as the message Input. */
function inputOf(example: unknown): Buffer {
  const bytes = example as Uint8Array // an element of a BYTES tensor
  const list = Buffer.from([0x0a, bytes.length, ...bytes])
  return Buffer.from([0x0a, list.length, ...list])
}
