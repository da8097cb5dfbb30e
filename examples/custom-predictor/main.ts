/**
 * A predictor of one's own: a nearest-centroid classifier written in TypeScript, served over V1 and V2 like any model.
 *
 *   npm run build && node dist/examples/custom-predictor/main.js
 *   curl localhost:8080/v1/models/flowers:predict -d '{"instances":[[5.1,3.5,1.4,0.2]]}'
 */
import { createServer, defineModel, InferenceError, tensor } from 'servable'

/** Mean sepal length, sepal width, petal length and petal width of each species, in cm. */
const centroids = new Map([
  ['setosa', [5.006, 3.428, 1.462, 0.246]],
  ['versicolor', [5.936, 2.77, 4.26, 1.326]],
  ['virginica', [6.588, 2.974, 5.552, 2.026]],
])
const species = [...centroids.keys()]

export const flowers = defineModel({
  inputs: { measurements: { datatype: 'FP32', shape: [-1, 4] } },
  outputs: {
    species: { datatype: 'BYTES', shape: [-1] },
    distance: { datatype: 'FP32', shape: [-1] },
  },
  /** Refuses what cannot be a flower before the model sees it. */
  preprocess: (request) => {
    for (const { data } of request.inputs) {
      if (data instanceof Float32Array && data.some((length) => !(length > 0))) {
        throw new InferenceError('invalid_argument', "input 'measurements': every length must be above 0 cm")
      }
    }
    return request
  },
  predict: ({ measurements }) => {
    const rows = measurements.shape[0] ?? 0
    const names: Uint8Array[] = []
    const distance = new Float32Array(rows)
    for (let row = 0; row < rows; row += 1) {
      const nearest = nearestTo(measurements.data.subarray(row * 4, row * 4 + 4))
      names.push(new TextEncoder().encode(nearest.name))
      distance[row] = nearest.distance
    }
    return { species: names, distance }
  },
  /** How much each measurement adds to the distance from each centroid. */
  explain: (request) => {
    const row = request.inputs[0]?.data
    if (!(row instanceof Float32Array)) throw new InferenceError('invalid_argument', "input 'measurements' is missing")
    const shares = species.flatMap((name) =>
      (centroids.get(name) ?? []).map((mean, axis) => ((row[axis] ?? 0) - mean) ** 2),
    )
    return {
      model: { name: request.model.name, version: '1' },
      outputs: [tensor('squared_distance', 'FP32', [1, species.length, 4], Float32Array.from(shares))],
    }
  },
})

function nearestTo(row: Float32Array): { name: string; distance: number } {
  let best = { name: '', distance: Infinity }
  for (const [name, centroid] of centroids) {
    const distance = Math.hypot(...centroid.map((mean, axis) => (row[axis] ?? 0) - mean))
    if (distance < best.distance) best = { name, distance }
  }
  return best
}

if (process.argv[1] === import.meta.filename) {
  const server = await createServer({ models: { flowers }, httpPort: Number(process.env['PORT'] ?? 8080) })
  const { http } = await server.start()
  console.log(`serving flowers at ${http}`)
  process.once('SIGINT', () => void server.close())
}
