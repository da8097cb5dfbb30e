/** Triton's logging settings over the levels of this server's log. */
import { InferenceError } from '../core/errors.ts'
import type { LogSwitches } from '../core/log.ts'

/** All settings, by Triton's names. */
export interface LogSettingValues {
  readonly log_file: string
  readonly log_info: boolean
  readonly log_warning: boolean
  readonly log_error: boolean
  readonly log_verbose_level: number
  readonly log_format: string
}

const switchOf = { log_info: 'info', log_warning: 'warn', log_error: 'error' } as const

/** Far above any level that means something; it must fit a uint32. */
const maxVerboseLevel = 0xffff_ffff

/** Reads and changes the levels that a {@link switchedLog} writes, at once and for every door. */
export class LogSettings {
  readonly #switches: LogSwitches
  #verboseLevel: number

  constructor(switches: LogSwitches) {
    this.#switches = switches
    this.#verboseLevel = switches.debug ? 1 : 0
  }

  get values(): LogSettingValues {
    const { info, warn, error } = this.#switches
    return {
      log_file: '',
      log_info: info,
      log_warning: warn,
      log_error: error,
      log_verbose_level: this.#verboseLevel,
      log_format: 'default',
    }
  }

  /**
   * Changes what is named and leaves the rest; nothing where one value is wrong.
   *
   * @throws InferenceError `invalid_argument` for unknown names and wrong values; `unimplemented` for `log_file` and
   *   formats other than `default`
   */
  update(values: Readonly<Record<string, unknown>>): LogSettingValues {
    for (const [name, value] of Object.entries(values)) check(name, value)
    for (const [name, key] of Object.entries(switchOf)) {
      const value = values[name]
      if (typeof value === 'boolean') this.#switches[key] = value
    }
    const { log_verbose_level: level } = values
    if (typeof level === 'number') {
      this.#verboseLevel = level
      this.#switches.debug = level > 0
    }
    return this.values
  }
}

function check(name: string, value: unknown): void {
  switch (name) {
    case 'log_info':
    case 'log_warning':
    case 'log_error':
      if (typeof value !== 'boolean') throw invalid(`log setting '${name}' must be true or false`)
      return
    case 'log_verbose_level':
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > maxVerboseLevel) {
        throw invalid(`log setting 'log_verbose_level' must be an integer of 0 or more; 1 and above write debug lines`)
      }
      return
    case 'log_format':
      if (value === 'default') return
      if (value !== 'ISO8601') throw invalid(`log setting 'log_format' must be 'default'`)
      throw new InferenceError(
        'unimplemented',
        `log setting 'log_format': times are ISO 8601 in every format, by 'default'`,
      )
    case 'log_file':
      throw new InferenceError(
        'unimplemented',
        'log file location can not be updated through network protocol; redirect the output of the server',
      )
    default:
      throw invalid(
        `unknown log setting '${name}'; there are log_info, log_warning, log_error, log_verbose_level and log_format`,
      )
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
