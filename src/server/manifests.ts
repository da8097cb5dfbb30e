/** KServe's manifests as what a server is made of: models, graphs and services. */
import { stat } from 'node:fs/promises'
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { plan, readManifests, type Plan, type PlannedModel, type PlanOptions } from '../kserve/index.ts'
import { isUri } from '../storage/index.ts'
import type { ServeConfig } from './config.ts'
import type { GraphDefinition, ServiceDefinitions } from './graphs/definition.ts'
import type { ModelSources, PlacedModel, ServedModelSource } from './models.ts'

/** As a server is given them. */
interface ServerGraphs {
  readonly graphs: readonly GraphDefinition[]
  readonly services: ServiceDefinitions
}

type PlanSettings = Pick<ServeConfig, 'pvc' | 'allowCommands' | 'payloadLogUrl'>

/** What there is to serve manifests with. @param formats those that runtimes are installed for */
export function planOptionsOf(
  { pvc, allowCommands, payloadLogUrl }: PlanSettings,
  formats: readonly string[],
): PlanOptions {
  return { formats, claims: new Map(pvc), allowCommands, hasPayloadSink: payloadLogUrl !== undefined }
}

/**
 * Reads the manifests that the settings name; what they ask for in vain is warned of, one line each.
 *
 * @param formats those that runtimes are installed for
 * @returns undefined where the settings name none
 * @throws InferenceError `invalid_argument` with everything that is wrong, each with file and line
 */
export async function planOf(
  settings: PlanSettings & Pick<ServeConfig, 'file'>,
  formats: readonly string[],
  log: Log,
): Promise<Plan | undefined> {
  const { file } = settings
  if (file.length === 0) return undefined
  const planned = plan(await readManifests(file), planOptionsOf(settings, formats))
  await checkPaths(planned.models)
  for (const warning of planned.warnings) log.warn({ warning }, 'manifest')
  for (const { name, namespace, model, runtime } of planned.services) {
    log.info({ service: name, namespace, model, runtime }, 'inference service')
  }
  return planned
}

async function checkPaths(models: readonly PlannedModel[]): Promise<void> {
  const missing = await Promise.all(
    models
      .flatMap((model) => [model, ...(model.hooks ?? [])])
      .filter(({ path }) => !isUri(path)) // whether it can be fetched is told by its model
      .map(async ({ path, place }) =>
        (await stat(path).catch(() => undefined)) === undefined ? [`${place}: ${path} does not exist`] : [],
      ),
  )
  const all = missing.flat()
  if (all.length > 0) throw new InferenceError('invalid_argument', all.join('\n'))
}

/** The models of a plan as sources of a server. */
export function modelsOf({ models }: Plan): Readonly<Record<string, PlacedModel>> {
  return Object.fromEntries(
    models.map(({ name, path, credentials, format, instances, scheduling, idleSeconds, hooks }) => [
      name,
      {
        path,
        ...(credentials === undefined ? {} : { environment: revealed(credentials) }),
        ...(format === undefined ? {} : { format }),
        ...(instances === undefined ? {} : { instances }),
        ...(scheduling === undefined ? {} : { scheduling }),
        ...(idleSeconds === undefined ? {} : { idleSeconds }),
        ...(hooks === undefined ? {} : { hooks }),
      },
    ]),
  )
}

function revealed(credentials: NonNullable<PlannedModel['credentials']>): Readonly<Record<string, string>> {
  return Object.fromEntries([...credentials].map(([name, value]) => [name, value.reveal()]))
}

/** The graphs of a program and of a plan, and what stands behind the services that they name. */
export function graphsWithPlan(own: ServerGraphs, planned: Plan | undefined): ServerGraphs {
  if (planned === undefined) return own
  const services = planned.services.map(({ name, model, protocol }) => [name, { model, protocol }] as const)
  return {
    graphs: [...own.graphs, ...planned.graphs],
    services: { ...Object.fromEntries(services), ...own.services },
  }
}

/**
 * Finds the models of a server: those of its paths and definitions, then those of its manifests.
 *
 * @throws InferenceError `invalid_argument` where two models have one name, or a path holds nothing to serve
 */
export async function findWithPlan(
  models: ModelSources,
  planned: Plan | undefined,
  find: (wanted: ModelSources) => Promise<readonly ServedModelSource[]>,
): Promise<readonly ServedModelSource[]> {
  const own = await find(models)
  if (planned === undefined) return own
  const names = new Set(own.map(({ ref }) => ref.name))
  const placed = modelsOf(planned)
  const found = await Promise.all(
    planned.models.map(async ({ name, place }) => {
      if (names.has(name)) throw invalid(`${place}: the model '${name}' is served from another path already`)
      const source = placed[name]
      try {
        return source === undefined ? [] : await find({ [name]: source })
      } catch (reason) {
        const { code, message } = InferenceError.from(reason)
        throw new InferenceError(code, `${place}: ${message}`, { cause: reason })
      }
    }),
  )
  return [...own, ...found.flat()]
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
