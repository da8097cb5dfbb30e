/** What the commands for a running server share: their settings, help, and how a failure ends. */
import { InferenceError } from '../core/errors.ts'
import {
  choice,
  flag,
  helpOf,
  listSetting,
  parseSettings,
  setting,
  string,
  type Settings,
  type ValuesOf,
} from '../server/settings.ts'
import { ControlClient } from './control-client.ts'
import type { Io } from './infer.ts'

const common = {
  server: setting({
    parse: string,
    default: 'http://127.0.0.1:8080',
    value: 'URL',
    description: 'the server; SERVABLE_SERVER where it is not given',
  }),
  help: setting({ parse: flag, default: false, value: '', isSwitch: true, short: 'h', description: 'show this text' }),
}

export const namespace = setting({
  parse: string,
  default: 'default',
  value: 'NAMESPACE',
  short: 'n',
  description: 'namespace',
})

export const filename = listSetting({
  parse: string,
  value: 'PATH',
  short: 'f',
  description: 'file or directory of manifests; - for standard input',
})

export const output = setting({
  parse: choice('table', 'wide', 'yaml', 'json', 'name'),
  default: 'table' as const,
  value: 'yaml|json|wide|name',
  short: 'o',
  description: 'how to print them',
})

/** A command with its own settings. */
export interface ControlCommand<S extends Settings> {
  readonly name: string
  /** The first lines of its help. */
  readonly usage: string
  readonly settings: S
  /** @returns the exit status */
  readonly run: (call: {
    readonly values: ValuesOf<S & typeof common>
    readonly positionals: readonly string[]
    readonly given: ReadonlySet<string>
    readonly client: ControlClient
    readonly io: Io
  }) => Promise<number>
}

/** Runs a command: 0, 1 where the server refused or none answered, 2 for wrong usage. */
export async function runControl<S extends Settings>(
  { name, usage, settings, run }: ControlCommand<S>,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const all: S & typeof common = { ...settings, ...common }
  try {
    const { SERVABLE_SERVER: server } = process.env
    const environment = server === undefined ? {} : { SERVABLE_SERVER: server }
    const { values, positionals, given } = parseSettings(all, { args, environment })
    if (args.includes('--help') || args.includes('-h')) {
      io.stdout.write(`${usage}\n\n${helpOf(all)}\n`)
      return 0
    }
    const serverUrl = String(values['server'])
    return await run({ values, positionals, given, client: new ControlClient(serverUrl), io })
  } catch (reason) {
    const error = InferenceError.from(reason)
    io.stderr.write(`servable ${name}: ${error.message}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

/** The command line is wrong; nothing was asked of a server. */
export class UsageError extends InferenceError {
  constructor(message: string) {
    super('invalid_argument', message)
  }
}
