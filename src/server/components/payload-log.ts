/** The payload log of a server: what its settings and the loggers of its manifests ask for. */
import { hostname } from 'node:os'
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { PlannedService } from '../../kserve/index.ts'
import { PayloadLog, type PayloadTarget } from '../../telemetry/payload-log.ts'
import type { ServeConfig } from '../config.ts'
import { componentName } from './served-component.ts'

type Settings = Pick<ServeConfig, 'payloadLogUrl' | 'payloadLogMode' | 'payloadLogHeaders'>

/** KServe's, of what names none. */
const defaultNamespace = 'default'

/**
 * @param mayChange services with loggers may come while the server runs
 * @returns undefined where nothing is logged
 * @throws InferenceError `invalid_argument` where the URL of the settings is none
 */
export function payloadLogOf(
  settings: Settings,
  services: readonly PlannedService[],
  log: Log,
  mayChange: boolean,
): PayloadLog | undefined {
  const { payloadLogUrl: url, payloadLogMode: mode, payloadLogHeaders } = settings
  if (url !== undefined && !(URL.canParse(url) && /^https?:$/.test(new URL(url).protocol))) {
    throw new InferenceError('invalid_argument', '--payload-log-url must be a URL that begins with http:// or https://')
  }
  if (url === undefined && !mayChange && !services.some(({ loggers }) => Object.keys(loggers).length > 0))
    return undefined
  const headers = payloadLogHeaders.map((name) => name.toLowerCase())
  const others = (model: string): PayloadTarget => ({
    url: url ?? '',
    mode,
    headers,
    origin: { service: model, namespace: defaultNamespace, component: 'predictor', annotations: {} },
  })
  const payloads = new PayloadLog({ log, source: hostname(), ...(url === undefined ? {} : { others }) })
  for (const service of services) setLoggers(payloads, service, url)
  return payloads
}

/** Takes over the loggers of a service's components; what it has none of is not logged for it any more. */
export function setLoggers(
  payloads: PayloadLog,
  { name, namespace, model, loggers }: Pick<PlannedService, 'name' | 'namespace' | 'model' | 'loggers'>,
  defaultUrl: string | undefined,
): void {
  for (const component of ['predictor', 'transformer', 'explainer'] as const) {
    const entry = component === 'predictor' ? model : componentName(model, component)
    const logger = loggers[component]
    const url = logger?.url ?? defaultUrl
    if (logger === undefined || url === undefined) payloads.delete(entry)
    else {
      const { mode, annotations, metadataHeaders } = logger
      const headers = metadataHeaders.map((header) => header.toLowerCase())
      payloads.set(entry, { url, mode, headers, origin: { service: name, namespace, component, annotations } })
    }
  }
}
