/** What a graph takes and gives, as far as the models at its ends tell. */
import type { TensorMetadata } from '../../core/model.ts'
import type { Signature } from '../../core/signature.ts'
import { rootNode } from '../../graph/index.ts'
import type { GraphNode, GraphSpec, GraphStep } from '../../graph/index.ts'

type Side = keyof Signature
type Tensors = readonly TensorMetadata[]

/**
 * The inputs of the models that a request comes to first, and the outputs of those that answer; none on a side where the
 * models differ, are elsewhere, or where their answers become another.
 *
 * @param known signature of the service of a step; undefined where it is not known
 */
export function graphSignature(spec: GraphSpec, known: (step: GraphStep) => Signature | undefined): Signature {
  const sideOf = (side: Side): Tensors => {
    const found = new Map<string, Tensors | undefined>() // nodes may be shared by many steps
    const ofNode = (name: string): Tensors | undefined => {
      if (found.has(name)) return found.get(name)
      const node = spec.nodes.get(name)
      const ends = node === undefined ? [] : endsOf(node, side)
      const all = ends.map((step) => (step.target.kind === 'node' ? ofNode(step.target.name) : known(step)?.[side]))
      const [first] = all
      const agreed = all.every((tensors) => isEqual(tensors, first)) ? first : undefined
      found.set(name, agreed)
      return agreed
    }
    return ofNode(rootNode) ?? []
  }
  return { inputs: sideOf('inputs'), outputs: sideOf('outputs') }
}

/** The steps that see the request of a node, or whose answer may be its answer; none where it makes its own. */
function endsOf({ routerType, steps, options }: GraphNode, side: Side): readonly GraphStep[] {
  const working = steps.filter((step) => step.options.isShadow !== true)
  if (routerType !== 'Sequence') return side === 'outputs' && routerType === 'Ensemble' ? [] : working
  if (side === 'inputs') return working.slice(0, 1)
  if (options.merge !== undefined) return []
  const firstTested = working.findIndex(({ condition }) => condition !== undefined && condition.text !== '')
  // Where a condition does not hold, the step before it answers.
  return firstTested < 1 ? working.slice(-1) : working.slice(firstTested - 1)
}

function isEqual(left: Tensors | undefined, right: Tensors | undefined): boolean {
  return left !== undefined && right !== undefined && textOf(left) === textOf(right)
}

/** Without what tensors are called inside their models. */
function textOf(tensors: Tensors): string {
  return JSON.stringify(tensors, (key, value: unknown) => (key === 'graphName' ? undefined : value))
}
