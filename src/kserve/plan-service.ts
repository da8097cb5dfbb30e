/** An InferenceService of a manifest as a model of this server, or why it cannot be one. */
import { unservedReason } from '../repository/formats.ts'
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { limitsOf, loggersOf } from './component-options.ts'
import { idleSecondsOf } from './idle.ts'
import { planComponents } from './plan-components.ts'
import { runtimeContainer, servedName, tellContainer } from './container.ts'
import { anyFormat, installedRuntime, ownRuntime } from './known-runtimes.ts'
import type { Manifest, Manifests } from './manifests.ts'
import type { PlannedModel, PlannedService, PlanOptions } from './plan.ts'
import { predictorModel, type PredictorModel } from './predictor.ts'
import type { InferenceServiceSpec, Protocol } from './schemas.ts'
import { selectRuntime, type RuntimeManifest, type RuntimeRequest, type Selection } from './select-runtime.ts'
import { locationOf } from './service-location.ts'
import { tellUnhonouredComponents } from './unhonoured-components.ts'
import { tellUnhonoured } from './unhonoured.ts'
import { schedulingOf, sessionsOf } from './scaling.ts'

type ServiceManifest = Manifest<InferenceServiceSpec>

const noClaims: ReadonlyMap<string, string> = new Map()
const stopAnnotation = 'serving.kserve.io/stop'

/** @returns undefined where it is stopped or something is wrong, which is then among the complaints */
export function planService(
  manifest: ServiceManifest,
  manifests: Pick<Manifests, 'servingRuntimes' | 'secrets' | 'serviceAccounts'>,
  options: PlanOptions,
  complaints: DocumentComplaints,
): { readonly model: PlannedModel; readonly service: PlannedService } | undefined {
  if (manifest.annotations[stopAnnotation] === 'true') {
    complaints.warn(
      ['metadata', 'annotations', stopAnnotation],
      `InferenceService '${manifest.name}' is stopped, it is not served`,
    )
    return undefined
  }
  const { predictor } = manifest.spec
  const { hooks, components } = planComponents(manifest, options.allowCommands === true, complaints)
  tellUnhonouredComponents(manifest.spec, complaints)
  const asked = predictorModel(predictor, complaints)
  if (asked === undefined) return undefined
  tellUnhonoured(manifest, asked, complaints, manifests.serviceAccounts)
  const selected = runtimeFor(manifest, asked, manifests.servingRuntimes, options, complaints)
  const path = locationOf(manifest, asked, options.claims ?? noClaims, manifests, complaints)
  if (selected === undefined || path === undefined) return undefined
  const container = runtimeContainer(manifest, asked, selected.runtime, complaints)
  tellContainer(asked, selected.runtime, container, complaints)
  const name = servedName(container) ?? manifest.name
  if (/[/\\:\u0000-\u001f]/.test(name)) {
    complaints.error(asked.path, `a model cannot be named '${name}': no slash, backslash, colon or control character`)
  }
  const instances = sessionsOf(predictor, complaints)
  const scheduling = schedulingOf(predictor)
  const idleSeconds = idleSecondsOf(predictor.minReplicas, manifest.annotations, complaints)
  const canary = predictor.canaryTrafficPercent
  return {
    model: {
      name,
      path: path.path,
      ...(asked.format === anyFormat ? {} : { format: asked.format }),
      ...(instances === undefined ? {} : { instances }),
      ...(scheduling === undefined ? {} : { scheduling }),
      ...(idleSeconds === undefined ? {} : { idleSeconds }),
      ...(hooks.length === 0 ? {} : { hooks }),
      ...(path.credentials === undefined ? {} : { credentials: path.credentials }),
      place: path.place,
    },
    service: {
      name: manifest.name,
      namespace: manifest.namespace,
      model: name,
      protocol: callProtocol(asked, selected),
      runtime: selected.runtime.name,
      components,
      limits: limitsOf(manifest),
      loggers: loggersOf(manifest, options.hasPayloadSink === true, complaints),
      ...(canary === undefined ? {} : { canaryTrafficPercent: canary }),
    },
  }
}

/** Of a graph's calls: what the service says, else the first of its runtime's that is one of REST. */
function callProtocol({ protocol }: PredictorModel, selected: Selected): 'v1' | 'v2' {
  const spoken: readonly Protocol[] =
    protocol === undefined ? (selected.runtime.spec.protocolVersions ?? []) : [protocol]
  const found = spoken.find((each) => each === 'v1' || each === 'v2')
  if (found !== undefined) return found === 'v2' ? 'v2' : 'v1'
  return selected.protocol.endsWith('v2') ? 'v2' : 'v1'
}

type Selected = Extract<Selection, { kind: 'selected' }>

function runtimeFor(
  manifest: ServiceManifest,
  asked: PredictorModel,
  runtimes: readonly RuntimeManifest[],
  { formats }: PlanOptions,
  complaints: DocumentComplaints,
): Selected | undefined {
  const isLegacy = asked.path.at(-1) !== 'model'
  const formatPath: SpecPath = isLegacy ? asked.path : [...asked.path, 'modelFormat', 'name']
  if (asked.format !== anyFormat && !formats.includes(asked.format)) {
    complaints.error(formatPath, unservedReason(asked.format, formats))
    return undefined
  }
  const request: RuntimeRequest = {
    namespace: manifest.namespace,
    format: asked.format,
    ...(asked.version === undefined ? {} : { version: asked.version }),
    ...(asked.protocol === undefined ? {} : { protocol: asked.protocol }),
    ...(asked.runtime === undefined ? {} : { runtime: asked.runtime }),
    isMultiNode: manifest.spec.predictor.workerSpec !== undefined,
  }
  const selection = selectRuntime(request, runtimes)
  if (selection.kind === 'selected') return selection
  const other = withoutManifest(request, selection, runtimes, { formats, complaints, path: formatPath })
  if (other.kind === 'selected') return other
  complaints.error(asked.runtime === undefined ? formatPath : [...asked.path, 'runtime'], other.message)
  return undefined
}

/** Where no manifest gives a runtime: KServe's own by name, else Servable's. */
function withoutManifest(
  request: RuntimeRequest,
  selection: Exclude<Selection, Selected>,
  runtimes: readonly RuntimeManifest[],
  { formats, complaints, path }: { formats: readonly string[]; complaints: DocumentComplaints; path: SpecPath },
): Selection {
  const own = ownRuntime(formats)
  if (request.runtime === undefined) {
    const single = selectRuntime({ ...request, isMultiNode: false }, [own])
    if (runtimes.length === 0 || single.kind === 'refused') return single
    complaints.warn(
      path,
      `none of the runtimes in the manifests would be chosen, Servable's own is (${selection.message})`,
    )
    return single
  }
  const installed = request.runtime === own.name ? own : installedRuntime(request.runtime)
  if (selection.reason !== 'RuntimeNotRecognized' || installed === undefined) return selection
  if (installed !== own) {
    const at: SpecPath = ['spec', 'predictor', 'model', 'runtime']
    complaints.warn(at, `'${request.runtime}' is not in the manifests, KServe's own of that name is meant`)
  }
  return selectRuntime(request, [installed])
}
