/** An {@link Ensemble} as an ONNX graph: trees, then what the objective makes of their sums. */
import type { Ensemble, Transform, Trees } from './ensemble.ts'
import { encodeModel } from './onnx-proto.ts'
import type { Attribute, OnnxNode, OnnxValue, TensorValue } from './onnx-proto.ts'

/** Name of the one input, `[rows, features]`. */
export const inputName = 'X'
/** What the library's own `predict` gives: FP32 `[rows]`, or `[rows, targets]`. */
export const predictName = 'predict'
/** Probabilities of the classes, FP32 `[rows, classes]`. */
export const probabilitiesName = 'predict_proba'

/** Adds nodes to a graph and names what lies between them. */
class GraphBuilder {
  readonly nodes: OnnxNode[] = []
  readonly initializers: Record<string, TensorValue> = {}

  /** @returns the name of its output */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const output = `${operator}_${this.nodes.length}`
    this.nodes.push({ operator, inputs, outputs: [output], attributes })
    return output
  }

  /** @returns the name of a constant */
  constant(type: TensorValue['type'], shape: readonly number[], values: readonly number[]): string {
    const name = `constant_${Object.keys(this.initializers).length}`
    this.initializers[name] = { type, shape, values }
    return name
  }

  output(value: string, name: string): void {
    this.nodes.push({ operator: 'Identity', inputs: [value], outputs: [name] })
  }
}

/** @returns a whole ONNX model */
export function encodeEnsemble(ensemble: Ensemble): Uint8Array {
  const { datatype, featureCount, targetCount, library } = ensemble
  const graph = new GraphBuilder()
  graph.nodes.push({
    operator: 'TreeEnsembleRegressor',
    domain: 'ai.onnx.ml',
    inputs: [inputName],
    outputs: ['sums'],
    attributes: treeAttributes(ensemble),
  })
  const isTransformed = postTransformOf(ensemble.transform) !== undefined
  const predicted = isTransformed ? 'sums' : transformed(graph, 'sums', ensemble.transform)
  const isLabel = ensemble.transform.kind === 'argmax'
  const isScalar = targetCount === 1
  const flat = isScalar && !isLabel ? graph.node('Reshape', [predicted, graph.constant('INT64', [1], [-1])]) : predicted
  graph.output(flat, predictName)
  const rows: OnnxValue = { name: predictName, type: 'FP32', shape: isScalar || isLabel ? ['N'] : ['N', targetCount] }
  const outputs = [rows]
  if (ensemble.isClassifier) {
    graph.output(probabilities(graph, ensemble, predicted), probabilitiesName)
    outputs.push({ name: probabilitiesName, type: 'FP32', shape: ['N', Math.max(2, targetCount)] })
  }
  return encodeModel({
    name: library,
    producer: library,
    opsets: { '': 17, 'ai.onnx.ml': 3 },
    inputs: [{ name: inputName, type: datatype, shape: ['N', featureCount] }],
    outputs,
    initializers: graph.initializers,
    nodes: graph.nodes,
  })
}

function treeAttributes({
  trees,
  datatype,
  comparison,
  targetCount,
  baseMargins,
  transform,
}: Ensemble): Readonly<Record<string, Attribute>> {
  const postTransform = postTransformOf(transform)
  const leaves = trees.isLeaf.flatMap((isLeaf, index) => (isLeaf ? [index] : []))
  const ofLeaves = (values: readonly number[]): number[] => leaves.map((index) => values[index] ?? 0)
  const name = `BRANCH_${comparison}`
  const modes = trees.isLeaf.map((isLeaf) => (isLeaf ? 'LEAF' : name))
  return {
    n_targets: { kind: 'int', value: targetCount },
    nodes_treeids: { kind: 'ints', values: trees.treeIds },
    nodes_nodeids: { kind: 'ints', values: trees.nodeIds },
    nodes_featureids: { kind: 'ints', values: trees.featureIds },
    nodes_modes: { kind: 'strings', values: modes },
    nodes_truenodeids: { kind: 'ints', values: trees.trueIds },
    nodes_falsenodeids: { kind: 'ints', values: trees.falseIds },
    nodes_missing_value_tracks_true: { kind: 'ints', values: trees.missingIsTrue.map(Number) },
    ...(postTransform === undefined ? {} : { post_transform: { kind: 'string', value: postTransform } }),
    target_treeids: { kind: 'ints', values: ofLeaves(trees.treeIds) },
    target_nodeids: { kind: 'ints', values: ofLeaves(trees.nodeIds) },
    target_ids: { kind: 'ints', values: ofLeaves(trees.targets) },
    ...numbersAttribute('nodes_values', datatype, thresholdsOf(trees)),
    ...numbersAttribute('target_weights', datatype, ofLeaves(trees.values)),
    ...numbersAttribute('base_values', datatype, baseMargins),
  }
}

/** What the operator of the trees does itself (of several sums only): one operator less to start. */
function postTransformOf(transform: Transform): string | undefined {
  return transform.kind === 'softmax' ? 'SOFTMAX' : undefined
}

function thresholdsOf(trees: Trees): readonly number[] {
  return trees.values.map((value, index) => (trees.isLeaf[index] === true ? 0 : value))
}

/** Doubles stand in tensors, whose attributes have names of their own. */
function numbersAttribute(
  name: string,
  type: 'FP32' | 'FP64',
  values: readonly number[],
): Readonly<Record<string, Attribute>> {
  if (type === 'FP32') return { [name]: { kind: 'floats', values } }
  return { [`${name}_as_tensor`]: { kind: 'tensor', value: { type, shape: [values.length], values } } }
}

function transformed(graph: GraphBuilder, sums: string, transform: Transform): string {
  const constant = (value: number): string => graph.constant('FP32', [], [value])
  switch (transform.kind) {
    case 'identity':
      return sums
    case 'sigmoid': {
      const scaled = transform.slope === 1 ? sums : graph.node('Mul', [sums, constant(transform.slope)])
      return graph.node('Sigmoid', [scaled])
    }
    case 'exp':
      return graph.node('Exp', [sums])
    case 'softplus':
      return graph.node('Softplus', [sums])
    case 'signed-square':
      return graph.node('Mul', [sums, graph.node('Abs', [sums])])
    case 'hinge':
      return toFloat(graph, graph.node('Greater', [sums, constant(0)]))
    case 'softmax':
      return softmax(graph, sums)
    case 'argmax': {
      const axis: Attribute = { kind: 'int', value: 1 }
      return toFloat(graph, graph.node('ArgMax', [sums], { axis, keepdims: { kind: 'int', value: 0 } }))
    }
  }
}

function probabilities(graph: GraphBuilder, { transform, targetCount }: Ensemble, predicted: string): string {
  if (transform.kind === 'argmax') return softmax(graph, 'sums')
  if (targetCount > 1) return predicted
  const other = graph.node('Sub', [graph.constant('FP32', [], [1]), predicted])
  return graph.node('Concat', [other, predicted], { axis: { kind: 'int', value: 1 } })
}

function softmax(graph: GraphBuilder, sums: string): string {
  return graph.node('Softmax', [sums], { axis: { kind: 'int', value: 1 } })
}

function toFloat(graph: GraphBuilder, value: string): string {
  return graph.node('Cast', [value], { to: { kind: 'int', value: 1 } })
}
