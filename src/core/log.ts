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

/** Writes nothing: the default of an embedder. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  isDebugEnabled: false,
}
