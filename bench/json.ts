/** Suite `json`: a picture of 150,528 float32 numbers as V2 JSON, read and written, beside JavaScript's own JSON. */
import { compare, loop } from './comparison.ts'
import type { Report } from './report.ts'
import { pictureJson } from './requests.ts'
import type { RoundOptions } from './rounds.ts'

/** Below twice as fast, JSON.parse would be the simpler choice. */
const decodeBar = 2

export async function run(options: RoundOptions): Promise<readonly Report[]> {
  const reports: Report[] = []
  for (const digits of ['float32', 'float64'] as const) {
    const bytes = pictureJson('x', digits).body?.length
    const comparison = {
      title: `1×3×224×224 FP32 from V2 JSON, digits of a ${digits}: ${bytes} bytes`,
      contenders: [
        loop('decodeV2Request', 'json', ['decode', digits]),
        loop('JSON.parse + Float32Array.from', 'json', ['parse', digits]),
      ],
      baseline: 'JSON.parse + Float32Array.from',
      bars: { decodeV2Request: decodeBar },
    }
    reports.push(await compare(comparison, options))
  }
  const encoding = {
    title: '1×3×224×224 FP32 to V2 JSON',
    contenders: [
      loop('encodeV2Response', 'json', ['encode', 'float32']),
      loop('JSON.stringify', 'json', ['stringify', 'float32']),
    ],
    baseline: 'JSON.stringify',
    bars: {},
  }
  return [...reports, await compare(encoding, options)]
}
