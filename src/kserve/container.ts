/** The container that a cluster would start for a model: what it tells about the model, and what is lost without it. */
import type { DocumentComplaints } from './complaints.ts'
import { containerFields } from './fields.ts'
import { ownRuntimeName } from './known-runtimes.ts'
import type { Manifest } from './manifests.ts'
import type { PredictorModel } from './predictor.ts'
import type { InferenceServiceSpec } from './schemas.ts'
import type { RuntimeManifest } from './select-runtime.ts'
import { fillTemplate } from './template.ts'

const containerName = 'kserve-container'

/** The runtime's container and the service's fields in one, as KServe merges them; templates are filled in. */
export interface MergedContainer {
  readonly image?: string
  /** The runtime's, then the service's. */
  readonly args: readonly string[]
  /** Names to values; the service's win. */
  readonly env: ReadonlyMap<string, string>
}

/** Flags that say where files and ports are: true here by other means. */
const quietFlags = ['model_name', 'model_dir', 'http_port', 'grpc_port', 'port', 'rest_port', 'host']

export function runtimeContainer(
  manifest: Manifest<InferenceServiceSpec>,
  asked: PredictorModel,
  runtime: RuntimeManifest,
  complaints: DocumentComplaints,
): MergedContainer {
  const containers = runtime.spec.containers ?? []
  const container = containers.find(({ name }) => name === containerName) ?? containers[0]
  const data = { ...manifest, annotations: { ...manifest.annotations, modelFormat: asked.format } }
  const fill = (text: string): string => {
    const { text: filled, error, missing } = fillTemplate(text, data)
    const runtimeOf = `${runtime.kind} '${runtime.name}'`
    if (error !== undefined) complaints.error(asked.path, `the template of ${runtimeOf} cannot be filled in: ${error}`)
    if (missing !== undefined) {
      complaints.warn(
        asked.path,
        `${runtimeOf} has a template with ${missing}, which InferenceService '${manifest.name}' lacks`,
      )
    }
    return filled
  }
  const variables = [...(container?.env ?? []), ...(asked.given.env ?? [])]
  const image = asked.given.image ?? container?.image
  return {
    ...(image === undefined ? {} : { image: fill(image) }),
    args: [...(container?.args ?? []), ...(asked.given.args ?? [])].map(fill),
    env: new Map(variables.map(({ name, value }) => [name, fill(value ?? '')])),
  }
}

/** The name that the container is told to serve the model under; undefined where it is that of the service. */
export function servedName({ args, env }: MergedContainer): string | undefined {
  const names = args.flatMap((arg, index) => {
    const [, inline] = /^--model_name=(.*)$/s.exec(arg) ?? []
    if (inline !== undefined) return [inline]
    return arg === '--model_name' ? [args[index + 1] ?? ''] : []
  })
  const name = names.at(-1) ?? env.get('MLSERVER_MODEL_NAME')
  return name === undefined || name === '' ? undefined : name
}

/** One warning for the image that is not started, one for what the service gives to it. Values are left out: they may be secret. */
export function tellContainer(
  { given, path, format }: PredictorModel,
  runtime: RuntimeManifest,
  { image }: MergedContainer,
  complaints: DocumentComplaints,
): void {
  if (image !== undefined && runtime.name !== ownRuntimeName) {
    const flags = flagsOf(runtime.spec.containers?.[0]?.args ?? [])
    const lost = flags.length === 0 ? '' : `, without ${flags.join(', ')}`
    complaints.warn(
      path,
      `${runtime.kind} '${runtime.name}' would start the image '${image}': Servable's own ${format} runtime takes its place${lost}`,
    )
  }
  const fields = [...containerFields, 'image', 'resources', 'runtimeVersion'] as const
  const lost = [
    ...flagsOf(given.args ?? []),
    ...(given.env ?? []).map(({ name }) => `env ${name}`),
    ...fields.filter((field) => given[field] !== undefined),
    ...(given.storage?.schemaPath === undefined ? [] : ['storage.schemaPath']),
  ]
  if (lost.length > 0) complaints.warn(path, `meant for a container, without effect here: ${lost.join(', ')}`)
}

function flagsOf(args: readonly string[]): readonly string[] {
  const flags = args.flatMap((arg) => /^--?([\w-]+)/.exec(arg) ?? []).filter((_, index) => index % 2 === 0)
  return flags.filter((flag) => !quietFlags.includes(flag.replace(/^-+/, '').replaceAll('-', '_')))
}
