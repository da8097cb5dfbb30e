/** Whether a server opens its control API. */
import type { ServeConfig } from '../config.ts'
import { isLoopbackAddress } from '../../rest/control-routes.ts'

/** By itself only where nobody else can reach it. */
export function isControlled({ control, host }: Pick<ServeConfig, 'control' | 'host'>): boolean {
  if (control !== 'auto') return control === 'on'
  return host === 'localhost' || isLoopbackAddress(host.replace(/^\[|\]$/g, ''))
}
