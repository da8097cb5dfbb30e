/** Every setting of `servable serve`, declared once; `read-config.ts` reads them. */
import type { DeviceRequest, PlacementRequest } from '../core/model.ts'
import { headerPattern } from '../dataplane/forwarded-headers.ts'
import {
  domain,
  claim,
  share,
  pollSeconds,
  seconds,
  workerCount,
  deviceRequest,
  endpoint,
  socketPath,
  type Endpoint,
} from './setting-values.ts'
import { bytes, choice, flag, integer, parseSettings, listSetting, setting, string, type ValuesOf } from './settings.ts'

const port = integer({ min: 0, max: 65_535 })

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export type LogFormat = 'auto' | 'json' | 'pretty'

export const serveSettings = {
  models: listSetting({
    parse: string,
    value: 'PATH',
    description: 'model file, model directory, repository or URI of one; the same as a positional argument',
  }),
  modelDir: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'PATH',
    description: "KServe's name for --models with one path",
  }),
  modelName: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'NAME',
    description: 'name of the model, where exactly one is served',
  }),
  file: listSetting({
    parse: string,
    short: 'f',
    value: 'PATH',
    description: "file or directory of KServe's manifests: InferenceServices, InferenceGraphs, ServingRuntimes",
  }),
  pvc: listSetting({
    parse: claim,
    value: 'CLAIM=PATH',
    description: 'directory that stands for a PersistentVolumeClaim in pvc:// URIs',
  }),
  cacheDir: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'PATH',
    description: 'directory for models that are downloaded or unpacked, shared by all servers (~/.cache/servable)',
  }),
  cacheBudget: setting<number | undefined>({
    parse: bytes,
    default: undefined,
    value: 'SIZE',
    description: 'most bytes in it: what was used longest ago makes room, what is in use stays; as the disk allows',
  }),
  allowCommands: setting({
    parse: flag,
    default: false,
    value: '',
    isSwitch: true,
    description: 'start the commands of transformers and explainers in manifests as programs of this user',
  }),
  predictorPort: setting<number | undefined>({
    parse: port,
    default: undefined,
    value: 'PORT',
    description: 'port on which transformers and explainers find the models themselves; any free one of the loopback',
  }),
  control: setting<'auto' | 'on' | 'off'>({
    parse: choice('auto', 'on', 'off'),
    default: 'auto',
    value: 'auto|on|off',
    description:
      'API for servable apply, get, delete and rollout, for callers on this machine; auto: on a loopback host',
  }),
  domain: setting({
    parse: domain,
    default: 'example.com', // as KServe's config
    value: 'DOMAIN',
    description: 'in the URLs of services and graphs: http://<name>.<namespace>.<domain>; any is taken in requests',
  }),
  host: setting({
    parse: string,
    default: '127.0.0.1',
    value: 'ADDRESS',
    description: 'address to listen on; 0.0.0.0 for all',
  }),
  httpPort: setting({ parse: port, default: 8080, value: 'PORT', description: 'port of REST; 0 for any free one' }),
  grpcPort: setting<number | undefined>({
    parse: port,
    default: undefined,
    value: 'PORT',
    description: 'port of gRPC; 0 for any free one (8081, or any free one where --http-port is 0)',
  }),
  grpcSocket: setting<string | undefined>({
    parse: socketPath,
    default: undefined,
    value: 'PATH',
    description: 'Unix socket on which gRPC listens beside its port: unix:/mesh/data.sock',
  }),
  enableGrpc: setting({
    parse: flag,
    default: true,
    value: '',
    isSwitch: true,
    description: 'open the gRPC door; --no-enable-grpc for REST alone',
  }),
  tlsCertificate: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'certificate (PEM, with its chain) for https and grpcs on both doors',
  }),
  tlsKey: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'private key of the certificate (PEM, without a passphrase)',
  }),
  tlsCa: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'callers must bring a certificate that one of these (PEM) has signed: mutual TLS',
  }),
  device: setting<DeviceRequest>({
    parse: deviceRequest,
    default: 'auto',
    value: 'auto|cpu|cuda|cuda:N',
    description: 'where models run; auto takes a usable GPU and says why it fell back',
  }),
  placement: setting<PlacementRequest>({
    parse: choice('auto', 'inline', 'pool', 'thread', 'process'),
    default: 'auto',
    value: 'auto|inline|pool|thread|process',
    description: 'thread or process in which sessions live; auto measures at load',
  }),
  runtime: listSetting({
    parse: string,
    value: 'PACKAGE',
    description: 'runtime of others that models may use: a package, or a file as ./runtime.js; its formats are served',
  }),
  workers: setting<number | 'auto'>({
    parse: workerCount,
    default: 1,
    value: 'N|auto',
    description: 'processes that serve, each with models of its own, on the same ports; auto: one per usable CPU',
  }),
  maxQueueSize: setting({
    parse: integer({ min: 0, max: 1_000_000 }),
    default: 1000,
    value: 'N',
    description: 'requests per model that may wait; more are refused',
  }),
  batching: setting<'auto' | 'off'>({
    parse: choice('auto', 'off'),
    default: 'auto',
    value: 'auto|off',
    description: 'let requests share runs where it was proved at load that rows do not see each other',
  }),
  sloMs: setting<number | undefined>({
    parse: integer({ min: 1, max: 3_600_000 }),
    default: undefined,
    value: 'MS',
    description: 'time within which an answer is worth something; what cannot meet it is refused at once',
  }),
  refuseStatus: setting<503 | 429>({
    parse: (text) => (choice('503', '429')(text) === '429' ? 429 : 503),
    default: 503,
    value: '503|429',
    description: 'HTTP status of a request that a full queue or the time limit of a model refuses',
  }),
  grpcRefuseStatus: setting<'resource_exhausted' | 'unavailable'>({
    parse: choice('resource_exhausted', 'unavailable'),
    default: 'resource_exhausted',
    value: 'resource_exhausted|unavailable',
    description: 'the same over gRPC; unavailable is what most clients retry',
  }),
  responseCacheBytes: setting({
    parse: bytes,
    default: 64 * 2 ** 20,
    value: 'SIZE',
    description: 'most memory for kept answers of models with response_cache in their model.yaml; 0 turns it off',
  }),
  maxRequestBytes: setting({
    parse: bytes,
    default: 64 * 2 ** 20, // as Triton
    value: 'SIZE',
    description: 'largest request body, compressed or not: 64MiB, 1GB',
  }),
  maxUploadBytes: setting({
    parse: bytes,
    default: 2 ** 30,
    value: 'SIZE',
    description: 'most bytes of files that callers bring for models when they load them, all together; 0 refuses them',
  }),
  maxUploadFiles: setting({
    parse: integer({ min: 1, max: 100_000 }),
    default: 1000,
    value: 'N',
    description: 'most files that one such load may bring',
  }),
  otlpEndpoint: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'URL',
    description: 'collector that gets spans by OTLP over HTTP: http://collector:4318; else OTEL_EXPORTER_OTLP_ENDPOINT',
  }),
  traceRatio: setting({
    parse: share,
    default: 1,
    value: '0…1',
    description: 'share of the traces that begin here and are kept; those of callers follow the callers',
  }),
  modelControl: setting<'none' | 'explicit' | 'poll' | 'watch'>({
    parse: choice('none', 'explicit', 'poll', 'watch'),
    default: 'explicit',
    value: 'none|explicit|poll|watch',
    description:
      'explicit: callers may load and unload models; none for servers that strangers reach; poll and watch follow the files',
  }),
  modelMesh: setting<Endpoint | undefined>({
    parse: endpoint,
    default: undefined,
    value: 'port:N|unix:PATH',
    description:
      'be a runtime of ModelMesh: mmesh.ModelRuntime there, as grpcEndpoint of a ServingRuntime; REST is on 8002 then',
  }),
  modelMeshApi: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'DIRECTORY',
    description:
      "ModelMesh's API (mmesh.ModelMesh: registerModel, setVModel, …) on the port of gRPC, for models in this directory and at URIs",
  }),
  namesFile: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'file that keeps aliases, vmodels and registered models for the next start; forgotten where absent',
  }),
  memoryBudget: setting<number | undefined>({
    parse: bytes,
    default: undefined,
    value: 'BYTES',
    description:
      'memory that loaded models may hold together: 8GiB. The one not used for longest is unloaded for another, and loaded by its next request',
  }),
  churnSeconds: setting({
    parse: seconds,
    default: 0,
    value: 'SECONDS',
    description:
      'with a memory budget: a model used within this time is not unloaded for another, whose request gets 503 with Retry-After',
  }),
  failureSeconds: setting<number | undefined>({
    parse: seconds,
    default: undefined,
    value: 'SECONDS',
    description:
      'how long a model that its first request failed to load answers that error before another request tries again; 1 s, then longer, up to 60 s',
  }),
  recentFile: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description:
      'file that tells which models were in use: the next start loads those of them that their first request would load, before it is ready',
  }),
  load: setting<'auto' | 'eager' | 'lazy'>({
    parse: choice('auto', 'eager', 'lazy'),
    default: 'auto',
    value: 'auto|eager|lazy',
    description: 'lazy: models are loaded by their first request; auto: lazy with a memory budget, else at the start',
  }),
  pollSeconds: setting({
    parse: pollSeconds,
    default: 15,
    value: 'SECONDS',
    description: 'with poll, between two looks at the served paths; files must be the same in two of them',
  }),
  httpHeaderForwardPattern: setting<RegExp | undefined>({
    parse: headerPattern,
    default: undefined,
    value: 'REGEX',
    description: 'headers (and gRPC metadata) whose whole name fits become string parameters of the request',
  }),
  payloadLogUrl: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'URL',
    description: 'HTTP sink that gets requests and answers of all models as CloudEvents, as from the agent of KServe',
  }),
  payloadLogMode: setting<'all' | 'request' | 'response'>({
    parse: choice('all', 'request', 'response'),
    default: 'all',
    value: 'all|request|response',
    description: 'what of them',
  }),
  payloadLogHeaders: listSetting({
    parse: string,
    value: 'NAME',
    description: 'headers of requests that go along in the metadata of the events',
  }),
  exitOnLoadFailure: setting({
    parse: flag,
    default: false,
    value: '',
    isSwitch: true,
    description: 'exit with status 1 if a model fails to load at start',
  }),
  drainSeconds: setting({
    parse: integer({ min: 0, max: 3600 }),
    default: 30,
    value: 'N',
    description: 'time that running requests have to finish after SIGTERM or Ctrl-C',
  }),
  logLevel: setting<LogLevel>({
    parse: choice('debug', 'info', 'warn', 'error', 'silent'),
    default: 'info',
    value: 'debug|info|warn|error|silent',
    description: 'least severe messages that are written',
  }),
  logFormat: setting<LogFormat>({
    parse: choice('auto', 'json', 'pretty'),
    default: 'auto',
    value: 'auto|json|pretty',
    description: 'JSON lines, or pretty on a terminal',
  }),
  banner: setting({
    parse: flag,
    default: true,
    value: '',
    isSwitch: true,
    description: 'print addresses, models and curl lines once loaded; --no-banner for containers',
  }),
  terminationLog: setting({
    parse: string,
    default: '/dev/termination-log', // where Kubernetes reads the reason of a failed container
    value: 'FILE',
    description: 'file that gets the reason of a failed load, where it exists',
  }),
  config: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'settings file; ./servable.yaml is read where it exists',
  }),
}

export type ServeConfig = ValuesOf<typeof serveSettings>

/** All defaults: what an embedder gets who sets nothing. */
export function defaultConfig(): ServeConfig {
  return parseSettings(serveSettings, { args: [] }).values
}
