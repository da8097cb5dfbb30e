/** The options of an ONNX model in `model.yaml`, checked, and the session options they become. */
import { z } from 'zod'
import { InferenceError } from '../../src/runtime/index.ts'
import type { DeviceChoice, Provider } from '../../src/runtime/index.ts'
import type { NativeOptions } from './native-session.ts'
import { fatal } from './native.ts'

const threads = z.int().min(1).max(1024)

const schema = z.strictObject({
  /** Threads inside one operator. Default: 1 in the pool, else usable CPUs / instances. */
  intra_op_num_threads: threads.optional(),
  /** Threads across operators, with `execution_mode: parallel`. Default 1. */
  inter_op_num_threads: threads.optional(),
  /** Idle threads spin instead of sleeping: faster alone, slow beside anything else. Default false. */
  allow_spinning: z.boolean().default(false),
  graph_optimization_level: z.enum(['disabled', 'basic', 'extended', 'all']).default('all'),
  execution_mode: z.enum(['sequential', 'parallel']).default('sequential'),
  enable_mem_pattern: z.boolean().default(true),
  enable_cpu_mem_arena: z.boolean().default(true),
  /** Prefer TensorRT on a GPU: the first load builds an engine and takes minutes. Default false. */
  tensorrt: z.boolean().default(false),
})

export type OnnxOptions = z.infer<typeof schema>

/** @throws InferenceError `failed_precondition` naming the option and what it takes */
export function parseOptions(options: Readonly<Record<string, unknown>>): OnnxOptions {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new InferenceError('failed_precondition', describe(issue), { cause: result.error })
}

function describe(issue: z.core.$ZodIssue | undefined): string {
  if (issue?.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => `'${key}'`).join(', ')
    return `unknown option ${names} of runtime 'onnx': there are ${Object.keys(schema.shape).join(', ')}`
  }
  return `option '${issue?.path.join('.') ?? ''}' of runtime 'onnx': ${issue?.message ?? 'is not valid'}`
}

/**
 * Session options of onnxruntime-node.
 *
 * @param intraOpThreads where the options name none
 */
export function nativeOptions(options: OnnxOptions, choice: DeviceChoice, intraOpThreads: number): NativeOptions {
  const spinning = options.allow_spinning ? '1' : '0'
  return {
    executionProviders: choice.providers.map((provider) => providerOptions(provider, choice.device)),
    intraOpNumThreads: options.intra_op_num_threads ?? intraOpThreads,
    interOpNumThreads: options.inter_op_num_threads ?? 1,
    graphOptimizationLevel: options.graph_optimization_level,
    executionMode: options.execution_mode,
    enableMemPattern: options.enable_mem_pattern,
    enableCpuMemArena: options.enable_cpu_mem_arena,
    logSeverityLevel: fatal,
    extra: { session: { intra_op: { allow_spinning: spinning }, inter_op: { allow_spinning: spinning } } },
  }
}

function providerOptions(provider: Provider, device: DeviceChoice['device']): unknown {
  if (provider === 'cpu' || device === 'cpu') return 'cpu'
  return { name: provider, deviceId: Number(device.slice('cuda:'.length)) }
}
