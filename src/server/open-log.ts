/** The log of one server, and the switches by which its callers change what is written. */
import { boundLog, switchedLog, type Log, type LogFields, type LogSwitches } from '../core/log.ts'
import { LogSettings } from '../dataplane/log-settings.ts'
import { createLog } from '../telemetry/log.ts'
import type { LogLevel, ServeConfig } from './config.ts'

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']

/**
 * @param own the log of an embedder, which gets everything until a caller changes that
 * @param bound fields of every line
 */
export function openLog(
  { logLevel, logFormat }: Pick<ServeConfig, 'logLevel' | 'logFormat'>,
  own?: Log,
  bound?: LogFields,
): { readonly log: Log; readonly settings: LogSettings } {
  const switches: LogSwitches =
    own === undefined ? switchesFor(logLevel) : { debug: own.isDebugEnabled, info: true, warn: true, error: true }
  const format = logFormat === 'auto' ? {} : { isPretty: logFormat === 'pretty' }
  const opened = (fields: LogFields | undefined): Log => {
    const plain = createLog({ level: 'debug', ...format })
    return fields === undefined ? plain : boundLog(plain, fields)
  }
  const log = switchedLog(own ?? opened(bound), switches)
  return { log, settings: new LogSettings(switches) }
}

function switchesFor(level: LogLevel): LogSwitches {
  const isWritten = (one: LogLevel): boolean => levels.indexOf(one) >= levels.indexOf(level)
  return { debug: isWritten('debug'), info: isWritten('info'), warn: isWritten('warn'), error: isWritten('error') }
}
