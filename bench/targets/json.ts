/** Program: decodes or encodes a picture as V2 JSON, by Servable's codec or by JavaScript's own JSON. */
import { decodeV2Request, encodeV2Response } from '../../src/codec/index.ts'
import { tensor } from '../../src/core/tensor.ts'
import { picture, pictureJson, pictureShape } from '../requests.ts'
import { loopFor } from './loop-for.ts'

interface Body {
  readonly inputs: readonly { readonly data: readonly number[] }[]
}

const [kind = '', digits, seconds] = process.argv.slice(2)
const body = pictureJson('x', digits === 'float64' ? digits : 'float32').body ?? Buffer.alloc(0)
const data = picture()
const model = { name: 'x', version: '1' }
const response = { model, outputs: [tensor('y', 'FP32', pictureShape, data)] }

const calls: Readonly<Record<string, () => unknown>> = {
  decode: () => decodeV2Request(body, undefined, model),
  parse: () => {
    const { inputs } = JSON.parse(body.toString()) as Body // the body of above
    return inputs.map((input) => Float32Array.from(input.data))
  },
  encode: () => encodeV2Response(response, { isBinary: false }),
  stringify: () => Buffer.from(JSON.stringify({ outputs: [{ data: Array.from(data) }] })),
}
const call = calls[kind]
if (call === undefined) throw new Error(`no call '${kind}': there are ${Object.keys(calls).join(', ')}`)
await loopFor(seconds, call)
