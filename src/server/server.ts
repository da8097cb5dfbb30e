/** Puts the rooms together: what a server is made of, from what its owner says. */
import type { Log } from '../core/log.ts'
import type { Runtime } from '../core/model.ts'
import { LimitTable } from '../dataplane/service-limits.ts'
import { defaultConfig, type ServeConfig } from './config.ts'
import type { ModelFinder } from './configured-models.ts'
import { asFirstRevisions, controlStartOf } from './control/open.ts'
import { Fetching } from './fetching.ts'
import type { GivenGraphs } from './graphs/definition.ts'
import type { Membership } from './membership.ts'
import { findWithPlan, graphsWithPlan, modelsOf, planOf, planOptionsOf } from './manifests.ts'
import { withCapacity } from './modelmesh/capacity.ts'
import { findModels, importPlugins, pathsOf, registryOf, type ModelSources } from './models.ts'
import { openLog } from './open-log.ts'
import { Server } from './running-server.ts'

export type { Server } from './running-server.ts'

export interface ServerOptions
  extends Partial<Omit<ServeConfig, 'models' | 'modelDir' | 'workers'>>, Partial<GivenGraphs> {
  readonly models?: ModelSources
  /** Where logs go; standard output by `logLevel` and `logFormat` where absent. */
  readonly log?: Log
  /** Runtimes beside those of this package. */
  readonly runtimes?: readonly Runtime[]
  /** Ends the downloads of models that {@link createServer} waits for. */
  readonly signal?: AbortSignal
}

/**
 * A server from models and settings; all settings of `servable serve` have the same names here, in camel case.
 *
 * @throws InferenceError where a path holds nothing to serve or two models have one name
 * @example
 * const server = await createServer({ models: { half: defineModel({ … }) }, httpPort: 0 })
 * const { http } = await server.start()
 */
export function createServer(options: ServerOptions): Promise<Server> {
  return openServer(options)
}

/** {@link createServer} for one process of several. */
export async function openServer(
  {
    models = [],
    graphs: ownGraphs = [],
    services: ownServices = {},
    log,
    runtimes: ownRuntimes = [],
    signal,
    ...options
  }: ServerOptions,
  membership?: Membership,
): Promise<Server> {
  const config = withCapacity({ ...defaultConfig(), ...options, models: [] })
  const opened = openLog(config, log, membership?.logFields)
  const runtimes = [...ownRuntimes, ...(await importPlugins(config.runtime))]
  const fetching = new Fetching({ config, environment: process.env, log: opened.log, ...(signal && { signal }) })
  const find = (wanted: ModelSources) => findModels(wanted, config, runtimes, opened.log, fetching)
  const { formats } = registryOf(runtimes)
  const planned = await planOf(config, formats, opened.log)
  const { graphs, services } = graphsWithPlan({ graphs: ownGraphs, services: ownServices }, planned)
  const finder: ModelFinder = {
    all: () => find(models),
    at: (path, name, config) => find({ [name]: config === undefined ? path : { path, config } }),
    roots: [...pathsOf(models), ...pathsOf(planned === undefined ? [] : modelsOf(planned))],
  }
  const { httpHeaderForwardPattern: forwardedHeaders } = config
  const limits = new LimitTable()
  return new Server(config, {
    sources: asFirstRevisions(await findWithPlan(models, planned, find), planned),
    graphs: { graphs, services },
    services: planned?.services ?? [],
    limits,
    finder,
    local: { find: (wanted) => findModels(wanted, config, runtimes, opened.log), formats },
    control: await controlStartOf(config, planned, {
      planOptions: planOptionsOf(config, formats),
      find,
      own: { graphs: ownGraphs, services: ownServices },
    }),
    fetching,
    log: opened.log,
    logSettings: opened.settings,
    membership,
    extensions: {
      limits,
      logSettings: membership?.logControl(opened.settings) ?? opened.settings,
      ...(membership === undefined ? {} : { peers: membership.peers }),
      ...(forwardedHeaders === undefined ? {} : { forwardedHeaders }),
    },
  })
}
