/** The runtime of tree models, XGBoost's and LightGBM's, served by onnxruntime without Python. */
import { stat } from 'node:fs/promises'
import type { Runtime } from '../../src/runtime/index.ts'
import { fileOf, loadTrees } from './load.ts'

/** The text, what is parsed of it, and onnxruntime's own form. */
const growth = 2

const runtime: Runtime = {
  api: 1,
  name: 'trees',
  formats: ['xgboost', 'lightgbm'],
  estimateBytes: async (spec) => (await stat(await fileOf(spec))).size * growth,
  load: loadTrees,
}
export default runtime
