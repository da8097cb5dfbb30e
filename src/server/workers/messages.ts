/** What the primary and its workers say to each other, checked where it arrives. */
import { z } from 'zod'
import { InferenceError, type ErrorCode } from '../../core/errors.ts'
import type { LoadOverride } from '../../dataplane/load-override.ts'

const codes = [
  'invalid_argument',
  'not_found',
  'already_exists',
  'failed_precondition',
  'resource_exhausted',
  'unavailable',
  'deadline_exceeded',
  'cancelled',
  'unimplemented',
  'unauthenticated',
  'permission_denied',
  'internal',
] as const satisfies readonly ErrorCode[]

const addressesSchema = z.object({ http: z.string(), grpc: z.string().optional() })
const failureSchema = z.object({ code: z.enum(codes), message: z.string() })

/** A change of the models, as {@link RepositoryControl} takes it. */
const controlSchema = z.object({
  kind: z.literal('control'),
  verb: z.enum(['load', 'unload', 'reload', 'objects', 'names']),
  /** Name of the model, and for a load an {@link LoadOverride}; the configurations of a reload; the state of all objects; a change of names. */
  argument: z.unknown(),
})
/** A change of settings that callers may make, by Triton's names. */
const settingsSchema = z.object({
  kind: z.literal('settings'),
  subject: z.enum(['log', 'trace']),
  values: z.record(z.string(), z.unknown()),
  /** Whose trace settings; the server's own where absent. */
  model: z.string().optional(),
})

/** What a worker asks of the group, or the primary of a worker; each gets one answer. */
const workSchema = z.discriminatedUnion('kind', [
  controlSchema,
  settingsSchema,
  /** Everything counted: by one worker where the primary asks, by all where a worker does. */
  z.object({ kind: z.literal('snapshot') }),
  /** What is printed once all models are loaded. */
  z.object({ kind: z.literal('banner'), addresses: addressesSchema }),
  /** Leave to open the doors, and where. */
  z.object({ kind: z.literal('join') }),
])

const outcomeSchema = z.union([z.object({ value: z.unknown() }), z.object({ failure: failureSchema })])

/** Everything that a process has counted. */
export const snapshotSchema = z.object({
  /** In Prometheus' text format. */
  metrics: z.string(),
  /** As the statistics extension shows them, ready versions only. */
  statistics: z.array(z.record(z.string(), z.unknown())),
})

export const joinSchema = z.object({ httpPort: z.number(), grpcPort: z.number().optional() })

const exchange = [
  z.object({ kind: z.literal('ask'), id: z.number(), work: workSchema }),
  z.object({ kind: z.literal('answer'), id: z.number(), outcome: outcomeSchema }),
] as const

/** See {@link ClosingStep}. */
const stepSchema = z.enum(['idle', 'closed'])

const startSchema = z.object({
  kind: z.literal('start'),
  /** From 1. */
  worker: z.number(),
  /** Opens its doors before its models are loaded: nobody else serves yet. */
  isFirst: z.boolean(),
  /** Models that callers have unloaded. */
  unloaded: z.array(z.string()),
  /** Settings that callers have changed. */
  settings: z.array(settingsSchema),
  /** Where the files go that callers upload; the primary removes them. */
  uploads: z.string(),
  isPretty: z.boolean(),
})

const toWorkerSchema = z.discriminatedUnion('kind', [
  startSchema,
  ...exchange,
  /** Whether the group is ready: what every worker answers to probes. */
  z.object({ kind: z.literal('group'), isReady: z.boolean() }),
  z.object({ kind: z.literal('leave'), isReplaced: z.boolean() }),
  /** All workers have come so far in leaving. */
  z.object({ kind: z.literal('together'), step: stepSchema }),
])

const fromWorkerSchema = z.discriminatedUnion('kind', [
  ...exchange,
  /** Sent once its program is there: it waits for `start`. */
  z.object({ kind: z.literal('hello') }),
  /** Its event loop turns. */
  z.object({ kind: z.literal('beat') }),
  z.object({ kind: z.literal('listening'), addresses: addressesSchema }),
  z.object({ kind: z.literal('loaded'), models: z.number(), isReady: z.boolean(), hasFailed: z.boolean() }),
  z.object({ kind: z.literal('ready'), isReady: z.boolean() }),
  z.object({ kind: z.literal('snapshot'), snapshot: snapshotSchema }),
  /** Cannot start, and says why before it ends. */
  z.object({ kind: z.literal('failed'), failure: failureSchema }),
  /** Has come so far in leaving. */
  z.object({ kind: z.literal('together'), step: stepSchema }),
  /** Was told to end by somebody else than the primary: wants to be replaced. */
  z.object({ kind: z.literal('retire') }),
])

export type ControlCall = z.infer<typeof controlSchema>
export type SettingsCall = z.infer<typeof settingsSchema>
export type Work = z.infer<typeof workSchema>
export type Outcome = z.infer<typeof outcomeSchema>
export type Failure = z.infer<typeof failureSchema>
export type Snapshot = z.infer<typeof snapshotSchema>
export type Start = z.infer<typeof startSchema>
export type ToWorker = z.infer<typeof toWorkerSchema>
export type FromWorker = z.infer<typeof fromWorkerSchema>

/** What a load is told: `name`, or `{name, override}` as a worker's data plane of this very version has checked it. */
export function loadOf(argument: unknown): readonly [name: string, override?: LoadOverride] {
  if (typeof argument === 'string') return [argument]
  const { name, override } = argument as { readonly name: string; readonly override: LoadOverride }
  return [name, override]
}

/** @returns undefined for what is no message of ours: programs that a model brings may send their own */
export function readToWorker(message: unknown): ToWorker | undefined {
  return toWorkerSchema.safeParse(message).data
}

/** @returns undefined for what is no message of ours */
export function readFromWorker(message: unknown): FromWorker | undefined {
  return fromWorkerSchema.safeParse(message).data
}

/** An error as it crosses processes; details of an unknown one stay where it was thrown. */
export function failureOf(reason: unknown): Failure {
  const { code, message } = InferenceError.from(reason)
  return { code, message }
}

export function errorOf({ code, message }: Failure): InferenceError {
  return new InferenceError(code, message)
}
