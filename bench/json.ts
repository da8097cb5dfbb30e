/** Suite `json`: a picture of 150,528 float32 numbers as V2 JSON, read and written, beside JavaScript's own JSON. */
import { compare, loop } from './comparison.ts'
import type { Report } from './report.ts'
import { pictureJson } from './requests.ts'
import type { RoundOptions } from './rounds.ts'

/** Issue 1. */
const decodeBar = 2

export async function run(options: RoundOptions): Promise<readonly Report[]> {
  const bytes = pictureJson('x').body?.length
  const decoding = await compare(
    {
      title: `1×3×224×224 FP32 from V2 JSON: ${bytes} bytes`,
      contenders: [loop('decodeV2Request', 'json', ['decode']), loop('JSON.parse + from', 'json', ['parse'])],
      baseline: 'JSON.parse + from',
      bars: { decodeV2Request: decodeBar },
    },
    options,
  )
  const encoding = await compare(
    {
      title: '1×3×224×224 FP32 to V2 JSON',
      contenders: [loop('encodeV2Response', 'json', ['encode']), loop('JSON.stringify', 'json', ['stringify'])],
      baseline: 'JSON.stringify',
      bars: {},
    },
    options,
  )
  return [decoding, encoding]
}
