/** Triton's trace settings: kept and told, for the server and for each model. Nothing is traced by them yet. */
import { InferenceError } from '../core/errors.ts'

export type TraceSettingValues = Readonly<Record<string, string | readonly string[]>>

/** All settings, by Triton's names and with its defaults. */
const defaults: TraceSettingValues = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: '',
  trace_mode: 'triton',
}

const levels: readonly string[] = ['OFF', 'TIMESTAMPS', 'TENSORS']
const modes: readonly string[] = ['triton', 'opentelemetry']
const counts: readonly string[] = ['trace_rate', 'trace_count', 'log_frequency']

export class TraceSettings {
  #own: TraceSettingValues = {}
  readonly #byModel = new Map<string, TraceSettingValues>()

  /** @param model whose settings; the server's own where absent */
  values(model?: string): TraceSettingValues {
    const ofModel = model === undefined ? undefined : this.#byModel.get(model)
    return { ...defaults, ...this.#own, ...ofModel }
  }

  /**
   * Sets what is named; `null` takes a model's setting back to the server's, and the server's to its default. Nothing
   * changes where one of them is wrong.
   *
   * @returns all settings
   * @throws InferenceError `invalid_argument` for unknown names and wrong values; `unimplemented` for the file
   */
  update(values: Readonly<Record<string, unknown>>, model?: string): TraceSettingValues {
    const before = model === undefined ? this.#own : (this.#byModel.get(model) ?? {})
    const after = new Map(Object.entries(before))
    for (const [name, value] of Object.entries(values)) {
      const checked = check(name, value)
      if (checked === undefined) after.delete(name)
      else after.set(name, checked)
    }
    if (model === undefined) this.#own = Object.fromEntries(after)
    else this.#byModel.set(model, Object.fromEntries(after))
    return this.values(model)
  }
}

/** @returns undefined for `null` */
function check(name: string, value: unknown): string | readonly string[] | undefined {
  if (!Object.hasOwn(defaults, name)) {
    throw invalid(`unknown trace setting '${name}'; there are ${Object.keys(defaults).join(', ')}`)
  }
  if (value === null) return undefined
  const given = textsOf(value)
  if (given === undefined) throw invalid(`trace setting '${name}' must be a string or a list of strings`)
  if (name === 'trace_level') return checkLevels(given)
  const [text, ...others] = given
  if (text === undefined || others.length > 0) throw invalid(`trace setting '${name}' must be one string`)
  if (name === 'trace_file') {
    if (text === defaults['trace_file']) return undefined
    throw new InferenceError('unimplemented', 'trace file location can not be updated through network protocol')
  }
  if (counts.includes(name) && !/^-?\d{1,9}$/.test(text)) {
    throw invalid(`trace setting '${name}' must be an integer as a string, got '${text.slice(0, 40)}'`)
  }
  if (name === 'trace_mode' && !modes.includes(text)) {
    throw invalid(`trace setting 'trace_mode' must be ${modes.join(' or ')}, got '${text.slice(0, 40)}'`)
  }
  return text
}

function checkLevels(given: readonly string[]): readonly string[] {
  const unknown = given.find((level) => !levels.includes(level))
  if (unknown !== undefined || given.length === 0) {
    throw invalid(`trace setting 'trace_level' must be of ${levels.join(', ')}, got '${(unknown ?? '').slice(0, 40)}'`)
  }
  return given
}

function textsOf(value: unknown): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  return list.every((item) => typeof item === 'string') ? list : undefined
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
