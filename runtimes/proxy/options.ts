/** The options of a proxied model in `model.yaml`, checked. */
import { z } from 'zod'
import { InferenceError, dataTypes, type ModelSpec } from '../../src/runtime/index.ts'
import { profiles, protocols, type ProfileName } from './profiles.ts'

/** The text itself, or where to read it: so that no secret stands in a file of models. */
const secret = z.union(
  [z.string().min(1), z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })],
  { error: 'expected a text, { env: NAME } or { file: path }' },
)
export type Secret = z.infer<typeof secret>

const auth = z.union(
  [z.strictObject({ bearer: secret }), z.strictObject({ username: z.string().min(1), password: secret })],
  {
    error: 'expected { bearer } or { username, password }',
  },
)

const tensor = z.strictObject({
  name: z.string().min(1),
  datatype: z.enum(dataTypes),
  /** -1 where a dimension is free. */
  shape: z.array(z.int().min(-1)),
})

const milliseconds = z.int().min(1).max(86_400_000)
const profileNames = Object.keys(profiles) as [ProfileName, ...ProfileName[]] // keys of a literal that has some

/** What is not named here is checked where it is used. */
const launch = z.looseObject({
  /** Behind the usual command of the profile, or behind `command`. */
  args: z.array(z.union([z.string(), z.number()])).default([]),
  /** What `{model}` stands for; the model's directory where absent. */
  model: z.string().min(1).optional(),
})

const schema = z.strictObject({
  profile: z.enum(profileNames).default('kserve'),
  /** `grpc://host:port`, `grpcs://…`, `http://…`, `https://…`, all of one protocol. */
  upstreams: z.array(z.string().min(1)).max(64).default([]),
  /** Instead of naming them: starts the server, on loopback ports of its own, and ends it with the model. */
  launch: launch.optional(),
  /** What the model is called there. Default: as here. */
  model: z.string().min(1).optional(),
  /** Default: the one that the server chooses. */
  version: z
    .union([z.string().min(1), z.int().min(0)])
    .transform(String)
    .optional(),
  protocol: z.enum(protocols).optional(),
  /** V2 over REST: tensors as bytes instead of JSON. */
  binary: z.boolean().optional(),
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/, 'is no name of a header'), secret).default({}),
  auth: auth.optional(),
  /** PEM files, relative to the model's directory. */
  tls: z
    .strictObject({
      ca: z.string().min(1).optional(),
      certificate: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
    })
    .optional(),
  /** Of one request with all its attempts. Default: 60,000; 600,000 where text is generated. */
  timeout_ms: milliseconds.optional(),
  connect_timeout_ms: milliseconds.default(2_000),
  /** How long a load waits for the first upstream that is ready. */
  start_timeout_ms: milliseconds.default(30_000),
  /** Further attempts, each at another upstream, of what has not run. */
  retries: z.int().min(0).max(10).default(2),
  /** Also what may have run is sent again. */
  retry_sent: z.boolean().default(false),
  /** Requests under way at once; the next one is refused. */
  max_in_flight: z.int().min(1).max(1_000_000).default(1_000),
  max_response_bytes: z
    .int()
    .min(1_024)
    .max(2_000_000_000)
    .default(256 * 1024 * 1024),
  /** Headers of the caller that are handed on: names, `*` for any letters. */
  forward_headers: z.array(z.string().min(1)).default(['x-request-id', 'traceparent', 'tracestate']),
  /** Headers of the answer that callers see. */
  return_headers: z.array(z.string().min(1)).default([]),
  health: z
    .strictObject({
      interval_ms: milliseconds.default(5_000),
      timeout_ms: milliseconds.default(2_000),
      /** Instead of the path of the protocol; REST only. */
      path: z.string().startsWith('/').optional(),
    })
    .prefault({}),
  breaker: z
    .strictObject({ failures: z.int().min(1).max(1_000).default(5), open_ms: milliseconds.default(5_000) })
    .prefault({}),
  /** The signature, where the server tells none. */
  inputs: z.array(tensor).optional(),
  outputs: z.array(tensor).optional(),
  /** Answers any number of responses to one request: `ModelStreamInfer` only. */
  decoupled: z.boolean().default(false),
})

export type ProxyOptions = z.infer<typeof schema>

/** @throws InferenceError `failed_precondition` naming the option and what it takes */
export function parseOptions({ options }: Pick<ModelSpec, 'options'>): ProxyOptions {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const text = result.error.issues.map(describe).join('; ')
  throw new InferenceError('failed_precondition', text, { cause: result.error })
}

function describe(issue: z.core.$ZodIssue): string {
  const name = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `'${name === '' ? '' : `${name}.`}${key}'`).join(', ')
    const known = name === '' ? `: there are ${Object.keys(schema.shape).join(', ')}` : ''
    return `unknown option ${keys} of runtime 'proxy'${known}`
  }
  return `option '${name}' of runtime 'proxy': ${issue.message.replace(/^Invalid (input: |option: )?/, '')}`
}
