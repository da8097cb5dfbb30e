/** The runtime of TensorFlow.js: graph models and layers models (`model.json`), without native code. */
import type { Runtime } from '../../src/runtime/index.ts'
import { estimateBytes, loadTfjs } from './load.ts'

const runtime: Runtime = { api: 1, name: 'tfjs', formats: ['tfjs'], estimateBytes, load: loadTfjs }
export default runtime
