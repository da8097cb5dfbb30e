import { describe, expect, it } from 'vitest'
import {
  decodeV1Request,
  decodeV1Response,
  decodeV2Request,
  decodeV2Response,
  encodeV1Request,
  encodeV1Response,
  encodeV2Request,
  encodeV2Response,
} from '../../src/codec/index.ts'
import { dataTypes } from '../../src/core/tensor.ts'
import type { DataType, Tensor } from '../../src/core/tensor.ts'
import { integer, seeded } from './random.ts'
import { randomShape, randomTensor, jsonTypes } from './tensors.ts'
import { whole } from './text.ts'

const model = { name: 'm', version: '1' }

/** BYTES elements may come back as Buffers. */
function plain(tensors: readonly Tensor[]): unknown {
  return tensors.map((tensor) =>
    tensor.datatype === 'BYTES' ? { ...tensor, data: tensor.data.map((element) => new Uint8Array(element)) } : tensor,
  )
}

describe.each(dataTypes)('%s', (datatype: DataType) => {
  const random = seeded(dataTypes.indexOf(datatype))

  it.each([true, false].filter((binary) => binary || jsonTypes.includes(datatype)))(
    'survives V2 both ways (binary: %s)',
    (binary) => {
      for (let round = 0; round < 100; round += 1) {
        const tensors = Array.from({ length: 1 + integer(random, 3) }, (_, index) =>
          randomTensor(random, `t${index}`, datatype),
        )
        const sent = encodeV2Request({ model, inputs: tensors }, { binary })
        const { request } = decodeV2Request(whole(sent.body), sent.headerLength, model)
        expect(plain(request.inputs)).toEqual(tensors)
        const answered = encodeV2Response({ model, outputs: tensors }, { isBinary: binary })
        const response = decodeV2Response(whole(answered.body), answered.headerLength)
        expect(plain(response.outputs)).toEqual(tensors)
      }
    },
  )

  if (!jsonTypes.includes(datatype)) return
  it('survives V1 both ways, by rows and by columns', () => {
    for (let round = 0; round < 100; round += 1) {
      const rows = 1 + integer(random, 4)
      const tensors = Array.from({ length: 1 + integer(random, 3) }, (_, index) =>
        randomTensor(random, `t${index}`, datatype, [rows, ...randomShape(random).map((dimension) => dimension + 1)]),
      )
      const metadata = tensors.map(({ name, shape }) => ({ name, datatype, shape: shape.map(() => -1) }))
      for (const format of ['row', 'columnar'] as const) {
        const call = decodeV1Request(encodeV1Request({ model, inputs: tensors }, format), model, metadata)
        expect(plain(call.request.inputs)).toEqual(tensors)
        const response = decodeV1Response(encodeV1Response({ model, outputs: tensors }, format), model, metadata)
        expect(plain(response.outputs)).toEqual(tensors)
      }
    }
  })
})
