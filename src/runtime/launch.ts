/** How a server process of others is started: its command, its environment and when it is ready. Pure. */
import { InferenceError } from '../core/errors.ts'

/** A command as an operator gives it. Only configuration brings one, never a request. */
export interface Launch {
  /** The program and its arguments, without a shell. `{port}`, `{grpc_port}`, … become free ports of the loopback. */
  readonly command: readonly string[]
  /** Beside the environment of this server. The same placeholders hold. */
  readonly env: Readonly<Record<string, string>>
  /** Where it runs; the directory of this server where absent. */
  readonly cwd?: string
  /** By default a connection to `{port}`. */
  readonly ready: ReadyCheck
  /** A process that is not ready by then is stopped. */
  readonly startTimeoutMs: number
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number
}

/** What shows that a process is ready: an answer of 200 to 299, or a connection that is accepted. */
export type ReadyCheck =
  | { readonly kind: 'http'; readonly path: string; readonly port: string }
  | { readonly kind: 'tcp'; readonly port: string }

/** Ports by the name of their placeholder. */
export type Ports = Readonly<Record<string, number>>

/** Weights of tens of gigabytes come over a network first. */
const defaultStartTimeoutMs = 600_000
const defaultStopGraceMs = 10_000
const placeholder = /\{([a-z][a-z0-9_]*)\}/g
const keys = ['command', 'env', 'cwd', 'ready', 'start_timeout_seconds', 'stop_grace_seconds']

/**
 * Checks what stands under `launch`.
 *
 * @param given `{ command, env?, cwd?, ready?, start_timeout_seconds?, stop_grace_seconds? }`; `ready` is a path (`/health`), or
 *   `{ path?, port? }` with the name of a placeholder
 * @param where names it in messages
 * @throws InferenceError `invalid_argument` naming the key
 */
export function readLaunch(given: unknown, where = 'launch'): Launch {
  if (!isRecord(given)) throw invalid(`${where} must be a mapping with a 'command'`)
  const unknown = Object.keys(given).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw invalid(`${where} has no key '${unknown}'; known are ${keys.join(', ')}`)
  const { cwd } = given
  if (cwd !== undefined && typeof cwd !== 'string') throw invalid(`${where}.cwd must be a path`)
  return {
    command: readCommand(given['command'], where),
    env: readEnv(given['env'], where),
    ...(cwd === undefined ? {} : { cwd }),
    ready: readReady(given['ready'], where),
    startTimeoutMs: readSeconds(
      given['start_timeout_seconds'],
      `${where}.start_timeout_seconds`,
      defaultStartTimeoutMs,
    ),
    stopGraceMs: readSeconds(given['stop_grace_seconds'], `${where}.stop_grace_seconds`, defaultStopGraceMs),
  }
}

function readCommand(given: unknown, where: string): readonly string[] {
  const right = Array.isArray(given) && given.length > 0 && given.every(isArgument)
  if (!right || given[0] === '') throw invalid(`${where}.command must be a list of texts, the program first`)
  return given.map(String)
}

/** YAML reads `--tp, 2` as a number. */
function isArgument(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && !value.includes('\0'))
}

function readEnv(given: unknown, where: string): Readonly<Record<string, string>> {
  if (given === undefined || given === null) return {}
  if (!isRecord(given)) throw invalid(`${where}.env must be a mapping of names to texts`)
  const entries = Object.entries(given).map(([name, value]): [string, string] => {
    const isText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    if (!isText || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || String(value).includes('\0')) {
      throw invalid(`${where}.env: '${name}' must be a name of letters, digits and _ with a text`)
    }
    return [name, String(value)]
  })
  return Object.fromEntries(entries)
}

function readReady(given: unknown, where: string): ReadyCheck {
  if (given === undefined) return { kind: 'tcp', port: 'port' }
  const { path, port = 'port' } = isRecord(given) ? given : { path: given }
  const isPort = typeof port === 'string' && isPortName(port)
  const isPath = path === undefined || (typeof path === 'string' && path.startsWith('/'))
  if (!isPort || !isPath) {
    throw invalid(`${where}.ready must be a path such as /health, or { path, port } with port such as grpc_port`)
  }
  return path === undefined ? { kind: 'tcp', port } : { kind: 'http', path: String(path), port }
}

function readSeconds(given: unknown, where: string, defaultMs: number): number {
  if (given === undefined) return defaultMs
  if (typeof given === 'number' && given > 0 && given <= 86_400) return given * 1000
  throw invalid(`${where} must be seconds from 0 to 86400`)
}

/** Names of the ports that a launch wants, each once. */
export function portNames({ command, env, ready }: Launch): readonly string[] {
  const names = new Set([ready.port])
  for (const text of [...command, ...Object.values(env)]) {
    for (const [, name = ''] of text.matchAll(placeholder)) if (isPortName(name)) names.add(name)
  }
  return [...names]
}

function isPortName(name: string): boolean {
  return name === 'port' || /^[a-z][a-z0-9_]*_port$/.test(name)
}

/**
 * Puts values in the place of `{name}`; braces around anything else stay, as arguments may be JSON.
 *
 * @param values by name: ports, and whatever else the launcher knows (`model`, `directory`, …)
 */
export function filledIn(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replaceAll(placeholder, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name] ?? whole) : whole,
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
