/** The requests that servers are loaded with. */
import { elementCount, tensor, type Tensor } from '../src/core/tensor.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
}

const flower = [5.1, 3.5, 1.4, 0.2]
export const pictureShape = [1, 3, 224, 224] as const

export const irisV2 = json('/v2/models/iris-logreg/infer', {
  inputs: [{ name: 'X', shape: [1, 4], datatype: 'FP32', data: flower }],
})
export const irisV1 = json('/v1/models/iris-logreg:predict', { instances: [flower] })
export const addSub = json('/v2/models/add-sub/infer', {
  inputs: ['INPUT0', 'INPUT1'].map((name) => ({
    name,
    shape: [1, 16],
    datatype: 'INT32',
    data: Array.from({ length: 16 }, (_, index) => index),
  })),
})

/** A tensor as of a normalised photograph: numbers with all their digits, from a generator with a fixed seed. */
export function picture(): Float32Array {
  let state = 42
  return Float32Array.from({ length: elementCount(pictureShape) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0 // Numerical Recipes' generator
    return (state / 2 ** 32) * 4.5 - 2.1 // the range of ImageNet's normalisation
  })
}

/** The picture behind a JSON header, as the binary tensor extension has it. */
export function pictureBinary(model: string): HttpRequest {
  return binaryRequest(model, tensor('x', 'FP32', pictureShape, picture()))
}

/** A tensor behind a JSON header. */
export function binaryRequest(
  model: string,
  { name, shape, datatype, data }: Tensor<'FP32'>,
  parameters: Readonly<Record<string, boolean>> = {},
): HttpRequest {
  const input = { name, shape, datatype, parameters: { binary_data_size: data.byteLength } }
  const header = Buffer.from(JSON.stringify({ parameters, inputs: [input] }))
  return {
    method: 'POST',
    path: `/v2/models/${model}/infer`,
    headers: { 'Content-Type': 'application/octet-stream', 'Inference-Header-Content-Length': String(header.length) },
    body: Buffer.concat([header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]),
  }
}

/**
 * The picture in JSON.
 *
 * @param digits `float32`: the shortest numbers that give the same float32 values back; `float64`: all digits that they have
 *   as doubles, as Python's and JavaScript's own JSON write them
 */
export function pictureJson(model: string, digits: 'float32' | 'float64' = 'float32'): HttpRequest {
  const data = Array.from(picture(), digits === 'float32' ? shortest : Number)
  return json(`/v2/models/${model}/infer`, { inputs: [{ name: 'x', shape: pictureShape, datatype: 'FP32', data }] })
}

function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits += 1) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === value) return rounded
  }
  return Number(value.toPrecision(9)) // enough for every float32
}

function json(path: string, value: object): HttpRequest {
  return {
    method: 'POST',
    path,
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  }
}
