/** Saves trained layers by TensorFlow.js itself, as a layers model. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(import.meta.url)
const tf = require('@tensorflow/tfjs-core')
require('@tensorflow/tfjs-backend-cpu')
const layers = require('@tensorflow/tfjs-layers')
const weightFile = 'group1-shard1of1.bin'

/**
 * @param weights of two dense layers, kernel and bias each: `{ shape, values }`
 * @param folder gets `model.json` and a weight file
 */
export async function saveLayers(weights, folder) {
  const [features, hidden] = weights[0].shape
  const model = layers.sequential({
    layers: [
      layers.layers.dense({ units: hidden, inputShape: [features], activation: 'relu', name: 'hidden' }),
      layers.layers.dense({ units: weights[3].shape[0], activation: 'softmax', name: 'probabilities' }),
    ],
  })
  model.setWeights(weights.map(({ shape, values }) => tf.tensor(values, shape, 'float32')))
  await model.save(tf.io.withSaveHandler((artifacts) => write(artifacts, folder)))
}

async function write({ modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData }, folder) {
  mkdirSync(folder, { recursive: true })
  const weightsManifest = [{ paths: [weightFile], weights: weightSpecs }]
  const json = { modelTopology, format, generatedBy, convertedBy, weightsManifest }
  writeFileSync(join(folder, 'model.json'), JSON.stringify(json))
  writeFileSync(join(folder, weightFile), new Uint8Array(weightData))
  return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
}
