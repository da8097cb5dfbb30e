/** What the servers differ in: protocols, ports, paths. */

export const protocols = ['v2', 'v1', 'grpc-v2', 'grpc-v1', 'openai'] as const
export type Protocol = (typeof protocols)[number]

/** How one kind of server speaks. */
export interface Profile {
  /** For http:// and https:// where nobody says otherwise; absent where the server has no REST. */
  readonly rest?: Protocol
  readonly restPort: number
  /** For grpc:// and grpcs:// where nobody says otherwise; absent where it has no gRPC that is spoken here. */
  readonly grpc?: Protocol
  readonly grpcPort?: number
  /** V2 over REST: takes tensors as bytes behind the JSON. Asked of the server where absent. */
  readonly isBinary?: boolean
  /** Paths that differ from those of the protocol; `{model}` is the name there. */
  readonly paths?: { readonly predict?: string; readonly ready?: string }
  /** V1 over REST: has `/metadata`. */
  readonly hasMetadata?: boolean
  /** Of one request, where the options say nothing. */
  readonly timeoutMs?: number
}

/** A long text takes minutes. */
const generationMs = 600_000

export const profiles = {
  triton: { rest: 'v2', restPort: 8000, grpc: 'grpc-v2', grpcPort: 8001, isBinary: true },
  mlserver: { rest: 'v2', restPort: 8080, grpc: 'grpc-v2', grpcPort: 8081, isBinary: false },
  tfserving: { rest: 'v1', restPort: 8501, grpc: 'grpc-v1', grpcPort: 8500, hasMetadata: true },
  torchserve: {
    rest: 'v1',
    restPort: 8080,
    grpc: 'grpc-v2',
    grpcPort: 7070,
    hasMetadata: false,
    paths: { predict: '/predictions/{model}', ready: '/ping' },
  },
  ovms: { rest: 'v2', restPort: 8000, grpc: 'grpc-v2', grpcPort: 9000, isBinary: true },
  vllm: { rest: 'openai', restPort: 8000, paths: { ready: '/health' }, timeoutMs: generationMs },
  llamacpp: { rest: 'openai', restPort: 8080, paths: { ready: '/health' }, timeoutMs: generationMs },
  openai: { rest: 'openai', restPort: 8000, paths: { ready: '/v1/models' }, timeoutMs: generationMs },
  kserve: { rest: 'v2', restPort: 8080, grpc: 'grpc-v2', grpcPort: 8081 },
} as const satisfies Readonly<Record<string, Profile>>

export type ProfileName = keyof typeof profiles

export function profileOf(name: ProfileName): Profile {
  return profiles[name]
}

export const profileNames: readonly string[] = Object.keys(profiles)
