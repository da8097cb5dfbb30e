/** `servable get`: lists objects of a running server, as kubectl lists them. */
import { stringify } from 'yaml'
import { resourceNamed, resourcePath } from '../kserve/index.ts'
import { ageOf, columns } from './columns.ts'
import { pathOf, readAsked, shownName, type ShownObject } from './control-client.ts'
import { namespace, output, runControl, UsageError } from './control-command.ts'
import { flag, setting } from '../server/settings.ts'
import type { Io } from './infer.ts'

const usage = `Usage: servable get KIND [NAME…] [options]

Kinds: isvc (InferenceService), ig (InferenceGraph), runtimes (ServingRuntime and ClusterServingRuntime), secrets.`

const settings = {
  namespace,
  allNamespaces: setting({
    parse: flag,
    default: false,
    value: '',
    isSwitch: true,
    short: 'A',
    description: 'of all namespaces',
  }),
  output,
}

export function runGet(args: readonly string[], io: Io): Promise<number> {
  return runControl(
    {
      name: 'get',
      usage,
      settings,
      run: async ({ values, positionals, client }) => {
        if (positionals.length === 0) throw new UsageError('which kind? servable get isvc | ig | runtimes')
        const { kinds, names } = readAsked(positionals)
        const found: ShownObject[] = []
        for (const resource of kinds) {
          const all = values.allNamespaces ? resourcePath(resource) : pathOf(resource, values.namespace)
          if (names.length === 0 || kinds.length > 1) {
            const { items = [] } = (await client.call('GET', all)).body
            // A list leaves out what the list says already.
            const full = items.map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }))
            found.push(...full.filter(({ metadata }) => names.length === 0 || names.includes(metadata?.name ?? '')))
          } else {
            for (const name of names)
              found.push((await client.call('GET', pathOf(resource, values.namespace, name))).body)
          }
        }
        const isOne = names.length === 1
        if (found.length === 0) {
          io.stderr.write(
            values.allNamespaces ? 'No resources found\n' : `No resources found in ${values.namespace} namespace.\n`,
          )
          return isOne ? 1 : 0
        }
        io.stdout.write(rendered(found, values, isOne))
        return 0
      },
    },
    args,
    io,
  )
}

interface Form {
  readonly output: 'table' | 'wide' | 'yaml' | 'json' | 'name'
  readonly allNamespaces: boolean
}

function rendered(objects: readonly ShownObject[], { output: form, allNamespaces }: Form, isOne: boolean): string {
  const [only] = objects
  const whole = isOne && only !== undefined ? only : { apiVersion: 'v1', items: objects, kind: 'List', metadata: {} }
  if (form === 'yaml') return stringify(whole, { lineWidth: 0 })
  if (form === 'json') return `${JSON.stringify(whole, undefined, 4)}\n`
  if (form === 'name') {
    return objects
      .map(({ kind = '', apiVersion = '', metadata }) => `${shownName({ kind, apiVersion }, metadata?.name ?? '')}\n`)
      .join('')
  }
  const kinds = [...new Set(objects.map(({ kind = '' }) => kind))]
  return kinds
    .map((kind) =>
      tableOf(
        kind,
        objects.filter((object) => object.kind === kind),
        form === 'wide',
        allNamespaces,
      ),
    )
    .join('\n')
}

function tableOf(kind: string, objects: readonly ShownObject[], isWide: boolean, isAll: boolean): string {
  const isNamespaced = resourceNamed(kind)?.isNamespaced === true && isAll
  const shown = columnsOf(kind, isWide)
  const headings = [...(isNamespaced ? ['NAMESPACE'] : []), 'NAME', ...shown.map(([heading]) => heading), 'AGE']
  const now = Date.now()
  const rows = objects.map((object) => [
    ...(isNamespaced ? [object.metadata?.namespace ?? ''] : []),
    object.metadata?.name ?? '',
    ...shown.map(([, text]) => text(object) ?? ''),
    ageOf(object.metadata?.creationTimestamp, now),
  ])
  return columns([headings, ...rows])
}

type Column = readonly [heading: string, text: (object: ShownObject) => string | undefined]

const url: Column = ['URL', ({ status }) => status?.url]
const ready: Column = ['READY', ({ status }) => status?.conditions?.find(({ type }) => type === 'Ready')?.status]

const ofService: readonly Column[] = [
  url,
  ready,
  ['PREV', (object) => share(object, false)],
  ['LATEST', (object) => share(object, true)],
  ['PREVROLLEDOUTREVISION', ({ status }) => status?.components?.predictor?.previousRolledoutRevision],
  ['LATESTREADYREVISION', ({ status }) => status?.components?.predictor?.latestReadyRevision],
]

const wideOfService: readonly Column[] = [
  ['TRANSITION', ({ status }) => status?.modelStatus?.transitionStatus],
  ['RUNTIME', ({ status }) => status?.clusterServingRuntimeName ?? status?.servingRuntimeName],
  ['ADDRESS', ({ status }) => status?.address?.url],
]

/** As KServe's CRDs declare them. */
function columnsOf(kind: string, isWide: boolean): readonly Column[] {
  if (kind === 'InferenceService') return isWide ? [...ofService, ...wideOfService] : ofService
  if (kind === 'InferenceGraph')
    return isWide ? [url, ready, ['ADDRESS', ({ status }) => status?.address?.url]] : [url, ready]
  if (!kind.endsWith('ServingRuntime')) return []
  return [
    ['DISABLED', ({ spec }) => (fieldOf(spec, 'disabled') === true ? 'true' : '')],
    ['MODELTYPE', ({ spec }) => firstName(fieldOf(spec, 'supportedModelFormats'))],
    ['CONTAINERS', ({ spec }) => firstName(fieldOf(spec, 'containers'))],
  ]
}

function share({ status }: ShownObject, isLatest: boolean): string | undefined {
  const percent = status?.components?.predictor?.traffic?.find(
    ({ latestRevision }) => latestRevision === isLatest,
  )?.percent
  return percent === undefined ? undefined : String(percent)
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined
}

function firstName(list: unknown): string {
  const name: unknown = Array.isArray(list) ? fieldOf(list[0], 'name') : undefined
  return typeof name === 'string' ? name : ''
}
