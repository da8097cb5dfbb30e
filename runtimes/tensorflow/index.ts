/** The TensorFlow runtime: SavedModels through tfjs-node, in processes of their own. */
import type { Runtime } from '../../src/runtime/index.ts'
import { loadSavedModel, modelBytes } from './load.ts'

/** TensorFlow itself, before the first variable. */
const ownBytes = 150_000_000
/** The graph is optimised beside the one that was read. */
const growth = 1.25

const runtime: Runtime = {
  api: 1,
  name: 'tensorflow',
  formats: ['tensorflow'],
  estimateBytes: async (spec) => ownBytes + (await modelBytes(spec.directory)) * growth,
  load: loadSavedModel,
}
export default runtime
