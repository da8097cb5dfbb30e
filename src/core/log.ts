/** What the rooms need of a logger. Structured fields first, then a fixed message; never payloads or secrets. */

export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** True where `debug` is written: costly diagnostics ask first. */
  readonly isDebugEnabled: boolean
}

/** Which levels are written; the holder may change them while the server runs. */
export interface LogSwitches {
  debug: boolean
  info: boolean
  warn: boolean
  error: boolean
}

/** A log that writes what the switches let through, at the moment of writing. */
export function switchedLog(log: Log, switches: Readonly<LogSwitches>): Log {
  return {
    debug: (fields, message) => switches.debug && log.debug(fields, message),
    info: (fields, message) => switches.info && log.info(fields, message),
    warn: (fields, message) => switches.warn && log.warn(fields, message),
    error: (fields, message) => switches.error && log.error(fields, message),
    get isDebugEnabled() {
      return switches.debug
    },
  }
}

/** A log whose lines all have these fields. */
export function boundLog(log: Log, bound: LogFields): Log {
  return {
    debug: (fields, message) => log.debug({ ...bound, ...fields }, message),
    info: (fields, message) => log.info({ ...bound, ...fields }, message),
    warn: (fields, message) => log.warn({ ...bound, ...fields }, message),
    error: (fields, message) => log.error({ ...bound, ...fields }, message),
    get isDebugEnabled() {
      return log.isDebugEnabled
    },
  }
}

/** Writes nothing: the default of an embedder. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  isDebugEnabled: false,
}
