/** `launch` of a proxied model: the server process to start for it, and where that is then found. Pure. */
import { InferenceError, readLaunch, type Launch, type ModelSpec } from '../../src/runtime/index.ts'
import type { ProxyOptions } from './options.ts'
import type { ProfileName } from './profiles.ts'

/** How the server of a profile is usually started. */
interface Preset {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly ready: unknown
  readonly upstream: string
}

const rest = 'http://127.0.0.1:{port}'
const grpc = 'grpc://127.0.0.1:{grpc_port}'

const presets: Readonly<Partial<Record<ProfileName, Preset>>> = {
  vllm: {
    command: ['vllm', 'serve', '{model}', '--host', '127.0.0.1', '--port', '{port}', '--served-model-name', '{name}'],
    ready: '/health',
    upstream: rest,
  },
  llamacpp: {
    command: ['llama-server', '--model', '{file}', '--host', '127.0.0.1', '--port', '{port}', '--alias', '{name}'],
    ready: '/health',
    upstream: rest,
  },
  mlserver: {
    command: ['mlserver', 'start', '{directory}'],
    env: {
      MLSERVER_HOST: '127.0.0.1',
      MLSERVER_HTTP_PORT: '{port}',
      MLSERVER_GRPC_PORT: '{grpc_port}',
      MLSERVER_METRICS_PORT: '{metrics_port}',
    },
    ready: '/v2/health/ready',
    upstream: rest,
  },
  triton: {
    command: [
      'tritonserver',
      '--model-repository={directory}',
      '--http-address=127.0.0.1',
      '--http-port={port}',
      '--grpc-address=127.0.0.1',
      '--grpc-port={grpc_port}',
      '--metrics-address=127.0.0.1',
      '--metrics-port={metrics_port}',
    ],
    ready: '/v2/health/ready',
    upstream: grpc,
  },
  tfserving: {
    command: [
      'tensorflow_model_server',
      '--model_name={name}',
      '--model_base_path={directory}',
      '--port={grpc_port}',
      '--rest_api_port={port}',
    ],
    ready: { port: 'grpc_port' },
    upstream: grpc,
  },
}

export interface LaunchPlan {
  readonly launch: Launch
  /** For the placeholders that are no ports. */
  readonly values: Readonly<Record<string, string>>
  /** Addresses with placeholders of ports. */
  readonly upstreams: readonly string[]
}

/**
 * @returns undefined where the model names its upstreams and launches nothing
 * @throws InferenceError `failed_precondition` or `invalid_argument` naming the key and what would be right
 */
export function launchPlan(spec: ModelSpec, options: ProxyOptions): LaunchPlan | undefined {
  const { launch, profile, upstreams } = options
  if (launch === undefined) {
    if (upstreams.length > 0) return undefined
    throw failed(`must name an address, or 'launch' a server to start`)
  }
  const { args, model, ...given } = launch
  const preset = presets[profile]
  const command = given['command'] ?? preset?.command
  if (command === undefined) {
    const known = Object.keys(presets).join(', ')
    throw failed(`profile ${profile} has no usual command: give launch.command (there is one for ${known})`, 'launch')
  }
  const addresses =
    upstreams.length > 0 ? upstreams : [given['command'] === undefined ? (preset?.upstream ?? rest) : rest]
  const local = addresses.every((address) => /^(https?|grpcs?):\/\/(127\.0\.0\.1|localhost|\[::1\]):/.test(address))
  if (!local) throw failed(`must lie on 127.0.0.1 where 'launch' starts the server`)
  const whole = {
    ...(preset?.ready === undefined ? {} : { ready: preset.ready }),
    cwd: spec.directory,
    ...given,
    command: Array.isArray(command) ? [...(command as readonly unknown[]), ...args] : command, // checked by readLaunch
    env: { ...(given['command'] === undefined ? preset?.env : {}), ...envOf(given['env']) },
  }
  const { name } = spec.ref
  const values = { name, directory: spec.directory, file: spec.file ?? spec.directory, model: model ?? spec.directory }
  return { launch: readLaunch(whole, "option 'launch' of runtime 'proxy'"), values, upstreams: addresses }
}

/** Anything but a mapping is refused with the rest. */
function envOf(given: unknown): object {
  if (given === undefined) return {}
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  throw failed('must be a mapping of names to texts', 'launch.env')
}

function failed(message: string, option = 'upstreams'): InferenceError {
  return new InferenceError('failed_precondition', `option '${option}' of runtime 'proxy': ${message}`)
}
