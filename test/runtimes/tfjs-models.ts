/** TensorFlow.js models that tests write: small graphs and layers whose outputs anybody can compute. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Json = Readonly<Record<string, unknown>>

/** A `model.json` of a graph; weights are float32 scalars. */
export function writeGraph(
  directory: string,
  nodes: readonly Json[],
  weights: Readonly<Record<string, number>>,
  more: Json = {},
): string {
  const specs = Object.keys(weights).map((name) => ({ name, shape: [], dtype: 'float32' }))
  return writeModel(directory, specs, Float32Array.from(Object.values(weights)), {
    format: 'graph-model',
    modelTopology: { node: nodes, versions: { producer: 1 } },
    ...more,
  })
}

/** @returns path of the `model.json` */
export function writeModel(directory: string, weights: readonly Json[], data: Float32Array, more: Json): string {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'group1-shard1of1.bin'), data)
  const file = join(directory, 'model.json')
  writeFileSync(file, JSON.stringify({ ...more, weightsManifest: [{ paths: ['group1-shard1of1.bin'], weights }] }))
  return file
}

export function placeholder(name: string, type: string, sizes: readonly number[]): Json {
  const dim = sizes.map((size) => ({ size: String(size) }))
  return { name, op: 'Placeholder', attr: { dtype: { type }, shape: { shape: { dim } } } }
}

export function constant(name: string): Json {
  return { name, op: 'Const', attr: { dtype: { type: 'DT_FLOAT' }, value: { tensor: { dtype: 'DT_FLOAT' } } } }
}

export function node(name: string, op: string, input: readonly string[], attr: Json = {}): Json {
  return { name, op, input, attr: { T: { type: 'DT_FLOAT' }, ...attr } }
}

export function tensorInfo(name: string, dtype: string, sizes: readonly number[]): Json {
  return { name, dtype, tensorShape: { dim: sizes.map((size) => ({ size: String(size) })) } }
}

/** y = x / 2 + 2, as TensorFlow Serving's own sample. */
export function writeHalfPlusTwo(directory: string, more: Json = {}): string {
  const nodes = [
    ...[placeholder('x', 'DT_FLOAT', [-1]), constant('a'), constant('b')],
    ...[node('product', 'Mul', ['x', 'a']), node('y', 'AddV2', ['product', 'b'])],
  ]
  const signature = {
    inputs: { x: tensorInfo('x:0', 'DT_FLOAT', [-1]) },
    outputs: { y: tensorInfo('y:0', 'DT_FLOAT', [-1]) },
  }
  return writeGraph(directory, nodes, { a: 0.5, b: 2 }, { signature, ...more })
}

/** One layer, x · [[1], [10]] + 0.5, as Keras's `Sequential` writes it. */
export function writeDense(directory: string, regularizer: Json | null = null): string {
  const weights = [
    { name: 'answer/kernel', shape: [2, 1], dtype: 'float32' },
    { name: 'answer/bias', shape: [1], dtype: 'float32' },
  ]
  const config = {
    ...{ name: 'answer', units: 1, activation: 'linear', use_bias: true, dtype: 'float32', trainable: true },
    ...{ batch_input_shape: [null, 2], kernel_regularizer: regularizer },
  }
  return writeModel(directory, weights, Float32Array.of(1, 10, 0.5), {
    format: 'layers-model',
    modelTopology: {
      class_name: 'Sequential',
      config: { name: 'sequential', layers: [{ class_name: 'Dense', config }] },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
  })
}

/** The same of two inputs, `[a, b] · [[1], [10]] + 0.5`, as the converter writes what Keras 3 saved. */
export function writeKeras3(directory: string, named: Json = { training: null }): string {
  const policy = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null }
  const layer = (className: string, name: string, nodes: readonly unknown[], config: Json) => {
    return { class_name: className, name, inbound_nodes: nodes, config: { name, ...config } }
  }
  const input = (name: string) => layer('InputLayer', name, [], { batch_shape: [null, 1], dtype: 'float32' })
  const from = (name: string) => ({
    class_name: '__keras_tensor__',
    config: { shape: [null, 1], dtype: 'float32', keras_history: [name, 0, 0] },
  })
  const layers = [
    ...[input('a'), input('b')],
    layer('Concatenate', 'both', [{ args: [[from('a'), from('b')]], kwargs: {} }], { dtype: policy, axis: -1 }),
    layer('Dense', 'answer', [{ args: [from('both')], kwargs: named }], {
      dtype: policy,
      units: 1,
      activation: 'linear',
    }),
  ]
  const config = {
    name: 'model',
    layers,
    input_layers: [
      ['a', 0, 0],
      ['b', 0, 0],
    ],
    output_layers: ['answer', 0, 0],
  }
  const weights = [
    { name: 'model/answer/kernel', shape: [2, 1], dtype: 'float32' },
    { name: 'model/answer/bias', shape: [1], dtype: 'float32' },
  ]
  return writeModel(directory, weights, Float32Array.of(1, 10, 0.5), {
    format: 'layers-model',
    modelTopology: {
      keras_version: '3.15.1',
      backend: 'tensorflow',
      model_config: { class_name: 'Functional', config },
    },
  })
}
