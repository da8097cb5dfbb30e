/** The log: JSON lines for machines, readable ones for a terminal. */
import { pino, stdSerializers, stdTimeFunctions } from 'pino'
import type { DestinationStream } from 'pino'
import { PinoPretty } from 'pino-pretty'
import type { Log, LogFields } from '../core/log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  /** 'info' where absent. */
  readonly level?: LogLevel
  /** Where lines go; 'stderr' where absent, so that what a command prints stays clean. */
  readonly output?: 'stdout' | 'stderr' | DestinationStream
  /** Lines for people; where absent, as soon as the output is a terminal. */
  readonly isPretty?: boolean
}

/** Fields that would hold a payload or a secret. No room logs them; where one slips, it does not leave. */
const redacted = ['body', 'data', 'inputs', 'outputs', 'headers', 'authorization', 'password', 'token', 'secret']

/** Opens a log. Lines are written at once: none is lost when the process ends. */
export function createLog({ level = 'info', output = 'stderr', isPretty }: LogOptions = {}): Log {
  const stream = typeof output === 'string' ? process[output] : undefined
  const pretty = isPretty ?? stream?.isTTY === true
  const plain = typeof output === 'string' ? pino.destination({ fd: output === 'stdout' ? 1 : 2, sync: true }) : output
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.errWithCause },
      redact: redacted,
    },
    pretty ? prettyStream(plain, stream?.isTTY === true) : plain,
  )
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
    isDebugEnabled: logger.isLevelEnabled('debug'),
  }

  function write(at: 'debug' | 'info' | 'warn' | 'error', fields: LogFields, message: string): void {
    logger[at](fields, message)
  }
}

function prettyStream(destination: DestinationStream, colorize: boolean): DestinationStream {
  return PinoPretty({
    colorize,
    sync: true,
    ignore: 'pid,hostname',
    translateTime: 'HH:MM:ss.l',
    errorLikeObjectKeys: ['error'],
    destination: destination as NodeJS.WritableStream, // pino's own type of stream; only `write` is called
  })
}
