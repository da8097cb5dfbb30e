/** A model with several signatures, served, and what its tests say to it. */
import { onTestFinished } from 'vitest'
import type { Batch, Model, NamedSignature } from '../../src/core/model.ts'
import { tensor, type Tensor } from '../../src/core/tensor.ts'
import type { DefinedModel } from '../../src/runtime/define-model.ts'
import { messageCodec, ServingClient } from '../grpc/tfserving-client.ts'
import { definedBy } from '../runtimes/proxy-models.ts'
import { post, serve } from '../runtimes/proxy-support.ts'

const examples = { name: 'inputs', datatype: 'BYTES', shape: [-1], isAnyRank: true, graphName: 'tf_example:0' } as const
const scalars = (name: string, datatype: 'FP32' | 'INT64') => ({ name, datatype, shape: [-1] }) as const

export const own: NamedSignature = {
  ...{ name: 'serving_default', methodName: 'tensorflow/serving/predict' },
  ...{ inputs: [scalars('x', 'FP32')], outputs: [scalars('y', 'FP32')] },
}
export const signatures: readonly NamedSignature[] = [
  own,
  {
    ...{ name: 'classify_length', methodName: 'tensorflow/serving/predict' },
    ...{ inputs: [examples], outputs: [scalars('scores', 'FP32')] },
  },
  { ...{ name: 'regress_length', methodName: 'tensorflow/serving/regress' }, ...regressing() },
  { ...{ name: 'twice', methodName: '' }, inputs: [scalars('a', 'INT64')], outputs: [scalars('b', 'INT64')] },
]

function regressing(): Pick<NamedSignature, 'inputs' | 'outputs'> {
  return { inputs: [examples], outputs: [scalars('outputs', 'FP32')] }
}

/** y = x + 1, b = 2a, and the bytes of each serialized example. */
function compute({ inputs, parameters }: Batch): readonly Tensor[] {
  const [input] = inputs
  const name = parameters?.['signature_name']
  if (input?.datatype === 'FP32' && name === undefined)
    return [
      tensor(
        'y',
        'FP32',
        input.shape,
        input.data.map((x) => x + 1),
      ),
    ]
  if (input?.datatype === 'INT64' && name === 'twice')
    return [
      tensor(
        'b',
        'INT64',
        input.shape,
        input.data.map((a) => 2n * a),
      ),
    ]
  if (input?.datatype !== 'BYTES') throw new Error('the data plane has checked')
  const lengths = Float32Array.from(input.data, ({ length }) => length)
  return [tensor(name === 'regress_length' ? 'outputs' : 'scores', 'FP32', input.shape, lengths)]
}

function severalModel(): { readonly several: DefinedModel; readonly batches: Batch[] } {
  const batches: Batch[] = []
  const model: Model = {
    metadata: { platform: 'test', inputs: own.inputs, outputs: own.outputs, signatures },
    ...{ memoryBytes: 0, maxBatchSize: 0, concurrency: 1 },
    predict: async (batch) => {
      batches.push(batch)
      return compute(batch)
    },
    close: async () => undefined,
  }
  return { several: definedBy(model), batches }
}

export async function start(change: (model: DefinedModel) => DefinedModel = (model) => model) {
  const { several, batches } = severalModel()
  const server = await serve({ several: change(several) })
  return { ...server, batches, ...askers(server.url, 'several') }
}

export function askers(url: { readonly http: string; readonly grpc: string }, name: string) {
  const serving = new ServingClient(Number(new URL(url.grpc).port))
  onTestFinished(() => serving.close())
  const v1 = (verb: string, body: unknown) => post(`${url.http}/v1/models/${name}:${verb}`, body)
  const v2 = (body: unknown) => post(`${url.http}/v2/models/${name}/infer`, body)
  const spec = (signature: string) => ({ model_spec: { name, signature_name: signature } })
  return { serving, v1, v2, spec }
}

export const float = (...value: readonly number[]) => ({ float_list: { value } })
export const exampleOf = (value: number) => ({ features: { feature: { x: float(value) } } })
const bytesOf = (message: object): number => messageCodec('tensorflow.serving.Input').encode(message).length
/** Bytes of an example with one float by a name of one letter: what the model says of it. */
export const exampleBytes = bytesOf({ example_list: { examples: [exampleOf(1)] } }) - 4
export const there = ' There are serving_default, classify_length, regress_length, twice.'
export const int64 = (data: readonly number[], more: object = {}) => ({
  inputs: [{ name: 'a', datatype: 'INT64', shape: [data.length], data }],
  ...more,
})
