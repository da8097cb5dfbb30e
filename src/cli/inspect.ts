/** `servable inspect`: what is in a model and how it would be served, found out by loading it. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { silentLog } from '../core/log.ts'
import { compareVersions } from '../repository/version.ts'
import { discover } from '../repository/layout.ts'
import { defaultConfig, serveSettings } from '../server/config.ts'
import { Fetching } from '../server/fetching.ts'
import { readMlserverSettings } from '../server/mlserver-settings.ts'
import { importPlugins, registryOf } from '../server/models.ts'
import { flag, flagName, helpOf, parseSettings, setting, type ValuesOf } from '../server/settings.ts'
import type { Io } from './infer.ts'
import { inspectModel, type Inspection } from './inspection.ts'
import { renderInspection } from './inspect-output.ts'

const inspectSettings = {
  device: serveSettings.device,
  placement: serveSettings.placement,
  runtime: serveSettings.runtime,
  cacheDir: serveSettings.cacheDir,
  json: setting({
    parse: flag,
    default: false,
    value: '',
    isSwitch: true,
    description: 'print JSON, one object a model',
  }),
  help: setting({ parse: flag, default: false, value: '', isSwitch: true, description: 'show this text' }),
}

/**
 * @param args what follows `inspect` on the command line
 * @returns exit status: 0, 1 where a model cannot be served, 2 for wrong usage
 */
export async function runInspect(args: readonly string[], io: Io): Promise<number> {
  try {
    const { values, positionals } = parseSettings(inspectSettings, {
      args: args.map((text) => (text === '-h' ? '--help' : text)),
    })
    if (values.help) {
      io.stdout.write(`${usage}\n\n${helpOf(inspectSettings)}\n`)
      return 0
    }
    if (positionals.length === 0) throw new InferenceError('invalid_argument', `which model? ${usage}`)
    tellSettings(positionals, io)
    const inspections = await inspectPaths(positionals, values, io)
    if (values.json) io.stdout.write(`${JSON.stringify(inspections, jsonValue, 2)}\n`)
    else for (const inspection of inspections) io.stdout.write(text(inspection, inspections, io))
    const isSound = inspections.length > 0 && inspections.every(({ reason }) => reason === undefined)
    if (inspections.length === 0) io.stderr.write(`servable inspect: no model in ${positionals.join(', ')}\n`)
    return isSound ? 0 : 1
  } catch (reason) {
    io.stderr.write(`servable inspect: ${messageOf(reason)}\n`)
    return 2
  }
}

const usage = 'Usage: servable inspect <model file, model directory or repository>'

async function inspectPaths(
  paths: readonly string[],
  { device, placement, runtime, cacheDir }: ValuesOf<typeof inspectSettings>,
  io: Io,
): Promise<readonly Inspection[]> {
  const registry = registryOf(await importPlugins(runtime))
  const log = warningsTo(io)
  const { maxQueueSize } = serveSettings
  const defaults = { device, placement, maxQueueSize: maxQueueSize.default }
  const fetching = new Fetching({ config: { ...defaultConfig(), cacheDir }, environment: process.env, log })
  const fetch = (uri: string) => fetching.get(uri)
  const models = await discover(paths, { formats: registry.formats, defaults, fetch, log })
  const inspections: Inspection[] = []
  // One after the other: their load times are told, and memory holds one at a time.
  for (const model of models) {
    inspections.push(await inspectModel(model, { registry, log, signal: new AbortController().signal }))
  }
  return inspections
}

/** What a settings.json of MLServer would change for a server of these paths. */
function tellSettings(paths: readonly string[], { stderr }: Io): void {
  for (const path of paths) {
    const { given = [], warnings = [] } = readMlserverSettings(path, {}) ?? {}
    for (const [name, { texts, origin }] of given) {
      stderr.write(`servable inspect: ${origin} is taken as --${flagName(name)}=${texts.join(',')}\n`)
    }
    for (const warning of warnings) stderr.write(`servable inspect: ${warning}\n`)
  }
}

function warningsTo(io: Io): Log {
  const write = (fields: Readonly<Record<string, unknown>>, message: string) => {
    const told = Object.entries(fields).map(([name, value]) => `${name}=${messageOf(value)}`)
    io.stderr.write(`servable inspect: ${message} ${told.join(' ')}\n`)
  }
  return { ...silentLog, warn: write, error: write }
}

function text(inspection: Inspection, all: readonly Inspection[], io: Io): string {
  const versions = all.filter(({ name }) => name === inspection.name).map(({ version }) => version)
  return `${renderInspection(inspection, versions.toSorted(compareVersions), io.stdout.columns)}\n`
}

function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
