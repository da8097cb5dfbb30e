/** What predictor, transformer and explainer have in common: limits and loggers. */
import type { DocumentComplaints } from './complaints.ts'
import type { Manifest } from './manifests.ts'
import type { Component, InferenceServiceSpec } from './schemas.ts'
import {
  componentRoles,
  type ByRole,
  type ComponentRole,
  type PlannedLimits,
  type PlannedLogger,
} from './service-plan.ts'

type ServiceManifest = Manifest<InferenceServiceSpec>
type CommonFields = Pick<Component, 'timeout' | 'containerConcurrency' | 'logger'>

/** `timeout` and `containerConcurrency`; 0 is no limit, as in Knative. */
export function limitsOf({ spec }: ServiceManifest): ByRole<PlannedLimits> {
  return byRole(spec, ({ timeout = 0, containerConcurrency = 0 }) => {
    if (timeout === 0 && containerConcurrency === 0) return undefined
    return {
      ...(timeout === 0 ? {} : { timeoutSeconds: timeout }),
      ...(containerConcurrency === 0 ? {} : { concurrency: containerConcurrency }),
    }
  })
}

/** @param hasSink the server has a sink of its own, for loggers that name none */
export function loggersOf(
  { spec, annotations }: ServiceManifest,
  hasSink: boolean,
  complaints: DocumentComplaints,
): ByRole<PlannedLogger> {
  return byRole(spec, ({ logger }, role) => {
    if (logger === undefined) return undefined
    const path = ['spec', role, 'logger']
    if (logger.storage !== undefined) {
      complaints.error([...path, 'storage'], 'requests are sent to an HTTP sink only: give url: http://…')
      return undefined
    }
    const { url } = logger
    if (url === undefined && !hasSink) {
      complaints.error(path, 'url is missing: give it as url: http://…, or one for all by --payload-log-url')
      return undefined
    }
    if (url !== undefined && !isHttp(url)) {
      complaints.error([...path, 'url'], 'is no URL of a sink: it must begin with http:// or https://')
      return undefined
    }
    for (const field of ['marshallerUrl', 'batchSize', 'batchInterval'] as const) {
      if (logger[field] !== undefined) complaints.warn([...path, field], 'has no effect: each event is sent by itself')
    }
    const wanted = logger.metadataAnnotations ?? []
    return {
      mode: logger.mode,
      ...(url === undefined ? {} : { url }),
      metadataHeaders: logger.metadataHeaders ?? [],
      annotations: Object.fromEntries(
        wanted.flatMap((name) => (annotations[name] === undefined ? [] : [[name, annotations[name]]])),
      ),
    }
  })
}

function byRole<T>(
  spec: InferenceServiceSpec,
  read: (fields: CommonFields, role: ComponentRole) => T | undefined,
): ByRole<T> {
  const found: Partial<Record<ComponentRole, T>> = {}
  for (const role of componentRoles) {
    const part = spec[role]
    const value = part === undefined ? undefined : read(part, role)
    if (value !== undefined) found[role] = value
  }
  return found
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}
