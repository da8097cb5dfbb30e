/** The settings of `servable serve` from where users give them: flags, environment, a file, and those of MLServer beside models. */
import { existsSync, readFileSync } from 'node:fs'
import { InferenceError, messageOf } from '../core/errors.ts'
import { serveSettings, type ServeConfig } from './config.ts'
import { readMlserverSettings } from './mlserver-settings.ts'
import { parseSettings, type Parsed } from './settings.ts'

/** Of REST beside ModelMesh, as that of MLServer there. */
const meshHttpPort = 8002

/**
 * Reads the settings of `servable serve`.
 *
 * @throws InferenceError `invalid_argument` that names the flag, variable or key and what would be right
 */
export function readServeConfig(args: readonly string[], environment: NodeJS.ProcessEnv): ReadConfig {
  const early = parseSettings(serveSettings, { args, environment }).values.config
  const path = early ?? (existsSync('servable.yaml') ? 'servable.yaml' : undefined)
  const file = path === undefined ? {} : { file: { path, text: readText(path) } }
  const paths = pathsOf(parseSettings(serveSettings, { args, environment, ...file }))
  const found = paths.map((each) => ({ path: each, settings: readMlserverSettings(each, environment) }))
  const rest = new Map(found.flatMap(({ settings }) => [...(settings?.given ?? [])]))
  const parsed = parseSettings(serveSettings, { args, environment, ...file, rest })
  const models = found.map(({ path: each, settings }) => settings?.root ?? each)
  const warnings = found.flatMap(({ settings }) => settings?.warnings ?? [])
  return { ...parsed, values: withMesh({ ...parsed.values, models }, parsed.given), warnings }
}

export interface ReadConfig extends Parsed<typeof serveSettings> {
  /** What is said in a served directory and means nothing here. */
  readonly warnings: readonly string[]
}

function pathsOf({ positionals, values: { models, modelDir } }: Parsed<typeof serveSettings>): readonly string[] {
  return [...positionals, ...models, ...(modelDir === undefined ? [] : [modelDir])]
}

/** In a pod of ModelMesh port 8080 is taken. @throws InferenceError `invalid_argument` for what several processes cannot do */
function withMesh(values: ServeConfig, given: ReadonlySet<string>): ServeConfig {
  const { modelMesh, grpcSocket, workers } = values
  if (workers !== 1 && (modelMesh !== undefined || grpcSocket !== undefined)) {
    const name = modelMesh === undefined ? '--grpc-socket' : '--model-mesh'
    throw new InferenceError('invalid_argument', `${name} is for one process; leave out --workers`)
  }
  return modelMesh === undefined || given.has('httpPort') ? values : { ...values, httpPort: meshHttpPort }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (reason) {
    throw new InferenceError('invalid_argument', `settings file: ${messageOf(reason)}`, { cause: reason })
  }
}
