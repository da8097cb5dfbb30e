/** The fields of an InferenceGraph's `spec`, and of the `servable` blocks in it that KServe does not know. */
import { z } from 'zod'

/** Longer conditions are no conditions; keeps reading one cheap. */
const longestText = 4096
const mostNodes = 10_000

const text = z.string().max(longestText)
const seconds = z.number().nonnegative().max(86_400)
const method = z.enum(['vote', 'mean', 'weightedMean', 'max', 'concat'])
const mapping = z.enum(['none', 'auto', 'v1', 'v2'])

export const stepBlock = z.strictObject({
  /** `$request`, `$response`, `$response.<path>`, `$steps.<step>` or `$steps.<step>.<path>`. */
  data: text.optional(),
  /** A condition that is tested for truth. */
  condition: text.optional(),
  mapping: mapping.optional(),
  /** Names of outputs to names of inputs. */
  rename: z.record(z.string(), z.string()).optional(),
  timeoutMs: z.number().positive().max(86_400_000).optional(),
  retries: z
    .strictObject({
      attempts: z.int().min(0).max(20),
      backoffMs: z.number().min(0).max(60_000).default(50),
      statuses: z.array(z.int().min(100).max(599)).default([502, 503, 504]),
    })
    .optional(),
  circuitBreaker: z
    .strictObject({ failures: z.int().min(1).default(5), openMs: z.number().positive().default(30_000) })
    .optional(),
  shadow: z.boolean().optional(),
})

export const nodeBlock = z.strictObject({
  merge: z.enum(['steps', 'outputs']).optional(),
  /** The step (name or index) that is taken where no condition holds. */
  default: z.union([text, z.int().min(0)]).optional(),
  stickyHeader: text.min(1).optional(),
  combine: z
    .union([
      method.transform((given) => ({ method: given })),
      z.strictObject({
        method,
        outputs: z.record(z.string(), method).optional(),
        weights: z.record(z.string(), z.number().nonnegative()).optional(),
        axis: z.int().min(0).max(31).optional(),
      }),
    ])
    .optional(),
  steps: z.record(z.string(), stepBlock).optional(),
})

export const graphBlock = z.strictObject({
  /** What conditions are tested for: that the path leads to anything, or to something true. */
  conditions: z.enum(['existence', 'truth']).default('existence'),
  /** Whether `data` of KServe's own steps may be a path: `$response.<path>`, `$steps.<step>`. */
  data: z.enum(['kserve', 'paths']).default('kserve'),
  /** The mapping of steps that take `$response` and name none. */
  mapping: mapping.default('none'),
  keepGoing: z.boolean().default(false),
  maxSteps: z.int().min(1).max(1_000_000).optional(),
  nodes: z.record(z.string(), nodeBlock).optional(),
})

const step = z.looseObject({
  name: text.optional(),
  nodeName: text.optional(),
  serviceName: text.optional(),
  serviceUrl: text.optional(),
  data: text.optional(),
  mapPredictionsToInstances: z.boolean().optional(),
  weight: z.int().optional(),
  condition: text.optional(),
  dependency: z.enum(['Soft', 'Hard', '']).optional(),
  servable: stepBlock.optional(),
})

const node = z.looseObject({
  routerType: text,
  steps: z.array(step).max(1000).nullish(),
  servable: nodeBlock.optional(),
})

const timeouts = z.looseObject({
  serverRead: seconds.nullish(),
  serverWrite: seconds.nullish(),
  serverIdle: seconds.nullish(),
  serviceClient: seconds.nullish(),
})

export const specSchema = z.looseObject({
  nodes: z
    .record(z.string(), node)
    .refine((nodes) => Object.keys(nodes).length <= mostNodes, { error: `at most ${mostNodes} nodes are allowed` }),
  timeout: seconds.nullish(),
  routerTimeouts: timeouts.nullish(),
  servable: graphBlock.optional(),
})

export type GivenSpec = z.infer<typeof specSchema>
export type GivenNode = z.infer<typeof node>
export type GivenStep = z.infer<typeof step>
export type NodeBlock = z.infer<typeof nodeBlock>
export type StepBlock = z.infer<typeof stepBlock>
export type GraphBlock = z.infer<typeof graphBlock>

/** Fields that a cluster reads and a router does not: taken without a word. */
export const clusterFields = [
  'resources',
  'affinity',
  'minReplicas',
  'maxReplicas',
  'scaleTarget',
  'scaleMetric',
  'tolerations',
  'nodeSelector',
  'nodeName',
  'serviceAccountName',
]

/** Every field there is, by the kind of object. */
export const knownFields = {
  spec: [...Object.keys(specSchema.shape), ...clusterFields],
  node: Object.keys(node.shape),
  step: Object.keys(step.shape),
  routerTimeouts: Object.keys(timeouts.shape),
} as const
