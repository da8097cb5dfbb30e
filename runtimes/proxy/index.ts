/** The proxy runtime: models that other servers serve, over the V2 and V1 protocols. */
import { InferenceError, type Runtime } from '../../src/runtime/index.ts'
import { parseOptions } from './options.ts'
import { openProxied } from './proxied-model.ts'

const runtime: Runtime = {
  api: 1,
  name: 'proxy',
  formats: ['proxy'],
  estimateBytes: () => Promise.resolve(0),
  load: async (spec, log, signal) => {
    try {
      return await openProxied(spec, parseOptions(spec), log, signal)
    } catch (reason) {
      throw InferenceError.from(reason)
    }
  },
}

export default runtime
