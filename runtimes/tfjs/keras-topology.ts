/** Topologies of Keras in the words that the library knows: it reads those of Keras 2. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { Artifacts } from './model-file.ts'

type Part = Readonly<Record<string, unknown>>

/**
 * A layers model without what only training uses (Keras's `L2` regularizer, for one, is not known to the library), and that of
 * Keras 3 as Keras 2 would have written it.
 *
 * @throws InferenceError `failed_precondition` where a layer of Keras 3 is called in a way that Keras 2 has not
 */
export function readable(artifacts: Artifacts): Artifacts {
  const topology = artifacts.modelTopology
  const version = topology['keras_version']
  const isKeras3 = typeof version === 'string' && version.startsWith('3.')
  const modelTopology = objectOf(translated(topology, isKeras3))
  if (!isKeras3) return { ...artifacts, modelTopology }
  const config = objectOf(objectOf(topology['model_config'] ?? topology)['config'])
  const prefix = `${String(config['name'])}/`
  const weightSpecs = artifacts.weightSpecs.map((weight) => {
    return weight.name.startsWith(prefix) ? { ...weight, name: weight.name.slice(prefix.length) } : weight
  })
  return { ...artifacts, modelTopology, weightSpecs }
}

function translated(part: unknown, isKeras3: boolean): unknown {
  if (Array.isArray(part)) return part.map((one) => translated(one, isKeras3))
  if (!isObject(part)) return part
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => {
      if (/_(regularizer|constraint)$/.test(name)) return [name, null]
      return (isKeras3 ? asKeras2(name, value) : undefined) ?? [name, translated(value, isKeras3)]
    }),
  )
}

/** @returns undefined for what has not changed */
function asKeras2(name: string, value: unknown): readonly [string, unknown] | undefined {
  switch (name) {
    case 'batch_shape':
      return ['batch_input_shape', value]
    case 'dtype': // a policy; what it computes in is float32 here
      return isObject(value) ? [name, 'float32'] : undefined
    case 'inbound_nodes':
      return Array.isArray(value) ? [name, value.map(inboundNode)] : undefined
    case 'input_layers':
    case 'output_layers':
      return Array.isArray(value) && typeof value[0] === 'string' ? [name, [value]] : undefined
    default:
      return undefined
  }
}

/** One call of a layer: per tensor given to it `[layer, node, tensor, {}]`. */
function inboundNode(node: unknown): unknown {
  if (!isObject(node) || !('args' in node)) return node
  const named = Object.entries(objectOf(node['kwargs'])).filter(
    ([name, value]) => name !== 'training' && value !== null,
  )
  const [[name] = []] = named
  if (name !== undefined) {
    const text = `model.json: a layer of Keras 3 is called with '${name}', which TensorFlow.js cannot read: convert the model's SavedModel to a graph model instead`
    throw new InferenceError('failed_precondition', text)
  }
  return tensorsIn(node['args'])
}

function tensorsIn(part: unknown): readonly unknown[] {
  if (Array.isArray(part)) return part.flatMap(tensorsIn)
  const history = isObject(part) ? objectOf(part['config'])['keras_history'] : undefined
  return Array.isArray(history) ? [[...(history as readonly unknown[]), {}]] : []
}

function objectOf(value: unknown): Part {
  return isObject(value) ? value : {}
}

function isObject(value: unknown): value is Part {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
