/** Triton's trace settings. This server does not trace: they can be read, and nothing can be turned on. */
import { InferenceError } from '../core/errors.ts'

export type TraceSettingValues = Readonly<Record<string, string | readonly string[]>>

/** All settings, by Triton's names and with its defaults. */
export const traceSettings: TraceSettingValues = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: '',
  trace_mode: 'triton',
}

/**
 * Takes what changes nothing: `trace_level` OFF, a value that is set already, `null` for the default.
 *
 * @throws InferenceError `invalid_argument` for unknown names and wrong types; `unimplemented` for everything else
 */
export function updateTraceSettings(values: Readonly<Record<string, unknown>>): TraceSettingValues {
  for (const [name, value] of Object.entries(values)) check(name, value)
  return traceSettings
}

function check(name: string, value: unknown): void {
  const current = Object.hasOwn(traceSettings, name) ? traceSettings[name] : undefined
  if (current === undefined) {
    const known = Object.keys(traceSettings).join(', ')
    throw new InferenceError('invalid_argument', `unknown trace setting '${name}'; there are ${known}`)
  }
  if (value === null) return
  const given = textsOf(value)
  if (given === undefined) {
    throw new InferenceError('invalid_argument', `trace setting '${name}' must be a string or a list of strings`)
  }
  if (given.join(',') === [current].flat().join(',')) return
  throw new InferenceError(
    'unimplemented',
    `trace setting '${name}': this server does not trace; the only level is trace_level ["OFF"], got ${JSON.stringify(value)}`,
  )
}

function textsOf(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.every((item) => typeof item === 'string') ? list : undefined
}
