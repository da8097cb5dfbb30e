/** Tracing as the settings and OpenTelemetry's own environment variables ask for it. */
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { OtlpExporter } from '../telemetry/otlp-exporter.ts'
import { Tracer } from '../telemetry/tracer.ts'
import type { ServeConfig } from './config.ts'
import { version } from './version.ts'

export interface Tracing {
  readonly tracer: Tracer
  readonly exporter: OtlpExporter
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * @param environment OTEL_EXPORTER_OTLP_ENDPOINT and its like count where the settings name no endpoint
 * @returns undefined where nobody asks for spans: then nothing is made for them
 * @throws InferenceError `invalid_argument` where the endpoint is no URL
 */
export function tracingOf(
  { otlpEndpoint, traceRatio }: Pick<ServeConfig, 'otlpEndpoint' | 'traceRatio'>,
  environment: Environment,
  log: Log,
): Tracing | undefined {
  const url = urlOf(otlpEndpoint, environment)
  if (url === undefined) return undefined
  const exporter = new OtlpExporter({
    url,
    headers: {
      ...pairsOf(environment['OTEL_EXPORTER_OTLP_HEADERS']),
      ...pairsOf(environment['OTEL_EXPORTER_OTLP_TRACES_HEADERS']),
    },
    resource: resourceOf(environment),
    version,
    log,
  })
  return { tracer: new Tracer({ add: (span) => exporter.add(span), ratio: traceRatio }), exporter }
}

function urlOf(setting: string | undefined, environment: Environment): string | undefined {
  if (setting !== undefined) return checked(withPath(setting), '--otlp-endpoint')
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return undefined
  if (environment['OTEL_TRACES_EXPORTER'] === 'none') return undefined
  const own = environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? ''
  if (own !== '') return checked(own, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')
  const shared = environment['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? ''
  return shared === '' ? undefined : checked(withPath(shared), 'OTEL_EXPORTER_OTLP_ENDPOINT')
}

/** As OpenTelemetry has it: an endpoint is for all signals, and each has a path below it. */
function withPath(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`
}

function checked(url: string, name: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new InferenceError('invalid_argument', `${name}: expected a URL such as http://collector:4318`)
}

function resourceOf(environment: Environment): Readonly<Record<string, string | number>> {
  const given = pairsOf(environment['OTEL_RESOURCE_ATTRIBUTES'])
  const name = environment['OTEL_SERVICE_NAME'] ?? given['service.name'] ?? 'servable'
  return { ...given, 'service.name': name, 'service.version': version, 'process.pid': process.pid }
}

/** `key=value,key=value`, percent-encoded. */
function pairsOf(text = ''): Readonly<Record<string, string>> {
  const pairs = text
    .split(',')
    .map((pair) => /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair))
    .filter((found) => found !== null)
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, decoded(value)]))
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
