/** The environment variables by which KServe marks answers to CloudEvents. */
import type { CloudEventOptions } from '../rest/cloud-events.ts'

/** CE_TYPE, CE_SOURCE and CE_MERGE, under KServe's own names so that its manifests work as they are. */
export function cloudEventOptions(environment: NodeJS.ProcessEnv): CloudEventOptions {
  const { CE_TYPE: type = '', CE_SOURCE: source = '', CE_MERGE: merge = '' } = environment
  return {
    ...(type === '' ? {} : { type }),
    ...(source === '' ? {} : { source }),
    isMerging: merge.toLowerCase() === 'true',
  }
}
