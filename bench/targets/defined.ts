/** Program: Servable with a model in TypeScript that costs nothing: the server without a runtime. */
import { growHeapFurther } from '../../src/cli/heap.ts'
import { createServer, defineModel } from '../../src/index.ts'
import { pictureShape } from '../requests.ts'
import { announce } from './announce.ts'

const ends = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1, ...pictureShape.slice(1)] } },
  outputs: { y: { datatype: 'FP32', shape: [1] } },
  predict: ({ x }) => ({ y: Float32Array.of((x.data[0] ?? 0) + (x.data.at(-1) ?? 0)) }),
})
growHeapFurther() // as the command does
const server = await createServer({ models: { ends }, httpPort: 0, grpcPort: 0, logLevel: 'error' })
const { http, grpc } = await server.start()
announce(http, grpc)
