/** The sample models' own requests and answers, and how answers are compared. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { samples } from '../paths.ts'

const sampleSchema = z.object({ protocol: z.enum(['v1', 'v2']), request: z.unknown(), answer: z.unknown() })

export type Sample = z.infer<typeof sampleSchema> & { readonly name: string }

/** Names of the sample models. */
export const sampleNames: readonly string[] = readdirSync(samples, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

/** `models/<name>/sample.json` */
export function readSample(name: string): Sample {
  const parsed: unknown = JSON.parse(readFileSync(join(samples, name, 'sample.json'), 'utf8'))
  return { name, ...sampleSchema.parse(parsed) }
}

/** Where `actual` differs from `expected`, as paths; numbers may differ by a float32's rounding through another library. */
export function differences(actual: unknown, expected: unknown, path = 'answer'): string[] {
  if (typeof expected === 'number' && typeof actual === 'number') {
    const isClose = Object.is(actual, expected) || Math.abs(actual - expected) <= 1e-6 + 1e-4 * Math.abs(expected)
    return isClose ? [] : [`${path}: ${actual} instead of ${expected}`]
  }
  if (!isObject(expected) || !isObject(actual)) {
    return actual === expected ? [] : [`${path}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`]
  }
  const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
  return [...keys].flatMap((key) => differences(actual[key], expected[key], `${path}.${key}`))
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
