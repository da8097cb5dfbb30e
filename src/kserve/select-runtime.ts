/** Which ServingRuntime an InferenceService gets: KServe's rules (`predictor_model.go`, GetSupportingRuntimes). */
import { nearest } from '../core/nearest.ts'
import type { Manifest } from './manifests.ts'
import { protocols, type Protocol, type ServingRuntimeSpec } from './schemas.ts'

export type RuntimeManifest = Manifest<ServingRuntimeSpec>

/** What a predictor asks of a runtime. */
export interface RuntimeRequest {
  readonly namespace: string
  readonly format: string
  readonly version?: string
  readonly protocol?: Protocol
  /** Name of the runtime, where the service chooses one. */
  readonly runtime?: string
  readonly isMultiNode?: boolean
}

/** The reasons of KServe's `status.modelStatus.lastFailureInfo`. */
export type RefusalReason = 'RuntimeNotRecognized' | 'RuntimeDisabled' | 'NoSupportingRuntime'

export type Selection =
  | { readonly kind: 'selected'; readonly runtime: RuntimeManifest; readonly protocol: Protocol }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string }

/** Chooses among runtimes; those of other namespaces are not looked at. */
export function selectRuntime(request: RuntimeRequest, runtimes: readonly RuntimeManifest[]): Selection {
  const own = runtimes.filter(({ namespace }) => namespace === request.namespace && namespace !== '')
  const cluster = runtimes.filter(({ namespace }) => namespace === '')
  if (request.runtime !== undefined) return named(request, request.runtime, [...own, ...cluster])
  const first = [...sorted(own, request), ...sorted(cluster, request)][0]
  if (first !== undefined) return selected(first, request)
  return refused(
    'NoSupportingRuntime',
    'No runtime found to support specified framework/version',
    `${wantedOf(request)}, protocol ${request.protocol ?? 'v1'}; ${offered([...own, ...cluster], request)}`,
  )
}

function named(request: RuntimeRequest, name: string, runtimes: readonly RuntimeManifest[]): Selection {
  const runtime = runtimes.find((each) => each.name === name)
  if (runtime === undefined) {
    const names = runtimes.map((each) => each.name)
    const meant = nearest(name, names)
    const hint = meant === undefined ? `there are ${listed(names)}` : `did you mean '${meant}'?`
    return refused('RuntimeNotRecognized', 'Waiting for runtime to become available', `there is no '${name}': ${hint}`)
  }
  const { spec } = runtime
  if (spec.disabled === true) return refused('RuntimeDisabled', 'Specified runtime is disabled', `'${name}'`)
  if (request.protocol !== undefined && !speaks(spec, request.protocol)) {
    return refused(
      'NoSupportingRuntime',
      'Specified runtime does not support specified protocol version',
      `'${name}' speaks ${listed(spec.protocolVersions ?? [])}, not ${request.protocol}`,
    )
  }
  if (formatsOf(spec).some((format) => matches(format, request))) return selected(runtime, request)
  return refused(
    'NoSupportingRuntime',
    'Specified runtime does not support specified framework/version',
    `'${name}' has ${listed(formatsOf(spec).map(labelOf))}, not ${wantedOf(request)}`,
  )
}

function selected(runtime: RuntimeManifest, { protocol }: RuntimeRequest): Selection {
  return { kind: 'selected', runtime, protocol: protocol ?? protocols[lowest(runtime.spec)] ?? 'v1' }
}

function refused(reason: RefusalReason, text: string, details: string): Selection {
  return { kind: 'refused', reason, message: `${text}: ${details}` }
}

/** Those that may be chosen unasked, the best first. */
function sorted(runtimes: readonly RuntimeManifest[], request: RuntimeRequest): readonly RuntimeManifest[] {
  return runtimes
    .filter(({ spec }) => isSupporting(spec, request))
    .toSorted(byProtocolAgeAndName)
    .toSorted((left, right) => priorityOf(right.spec, request) - priorityOf(left.spec, request))
}

function isSupporting(spec: ServingRuntimeSpec, request: RuntimeRequest): boolean {
  if (spec.disabled === true || spec.multiModel === true) return false
  if (!speaks(spec, request.protocol ?? 'v1')) return false
  if ((spec.workerSpec !== undefined) !== (request.isMultiNode ?? false)) return false
  return formatsOf(spec).some((format) => format.autoSelect === true && matches(format, request))
}

function byProtocolAgeAndName(left: RuntimeManifest, right: RuntimeManifest): number {
  const difference = lowest(left.spec) - lowest(right.spec) || right.createdMs - left.createdMs
  return difference || (left.name < right.name ? -1 : left.name > right.name ? 1 : 0)
}

type Format = NonNullable<ServingRuntimeSpec['supportedModelFormats']>[number]

function formatsOf(spec: ServingRuntimeSpec): readonly Format[] {
  return spec.supportedModelFormats ?? []
}

/** Versions are compared as texts; an entry without one never fits a request with one. */
function matches(format: Format, { format: name, version }: RuntimeRequest): boolean {
  return format.name === name && (version === undefined || format.version === version)
}

/** Of the first entry with the format's name, whatever its version; without one it comes last. */
function priorityOf(spec: ServingRuntimeSpec, { format }: RuntimeRequest): number {
  return formatsOf(spec).find(({ name }) => name === format)?.priority ?? 0
}

function speaks({ protocolVersions }: ServingRuntimeSpec, protocol: Protocol): boolean {
  return protocolVersions === undefined || protocolVersions.length === 0 || protocolVersions.includes(protocol)
}

/** Index of the lowest protocol in {@link protocols}. */
function lowest({ protocolVersions }: ServingRuntimeSpec): number {
  return (
    Math.min(...(protocolVersions ?? []).map((protocol) => protocols.indexOf(protocol)), protocols.length) %
    protocols.length
  )
}

function wantedOf({ format, version }: RuntimeRequest): string {
  return labelOf({ name: format, version })
}

function labelOf({ name, version }: { readonly name: string; readonly version?: string | null | undefined }): string {
  return version === undefined ? name : `${name}:${version}`
}

/** What comes near the request: the way to see why nothing was chosen. */
function offered(runtimes: readonly RuntimeManifest[], { format }: RuntimeRequest): string {
  const near = runtimes.filter(({ spec }) => formatsOf(spec).some(({ name }) => name === format))
  if (near.length > 0) return near.map((each) => describe(each, format)).join(', ')
  const known = new Set(runtimes.flatMap(({ spec }) => formatsOf(spec).map(({ name }) => name)))
  const meant = nearest(format, [...known])
  return meant === undefined ? `formats there are: ${listed([...known])}` : `did you mean '${meant}'?`
}

function describe({ name, spec }: RuntimeManifest, format: string): string {
  const formats = formatsOf(spec).filter((each) => each.name === format)
  const labels = formats.map((each) => `${labelOf(each)}${each.autoSelect === true ? '' : ' (not autoSelect)'}`)
  const states = [spec.disabled === true ? 'disabled' : '', spec.multiModel === true ? 'multiModel' : '']
  const speaking = spec.protocolVersions?.join(', ') ?? 'any'
  return [`'${name}' has ${labels.join(', ')}; protocols ${speaking}`, ...states.filter((state) => state !== '')].join(
    '; ',
  )
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}
