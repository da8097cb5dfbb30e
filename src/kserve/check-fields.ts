/** Checks a part of a manifest against its schema, and tells every mistake with its line. */
import type { z } from 'zod'
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'

/** @returns undefined where something is wrong, which is then among the complaints */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: SpecPath,
  complaints: DocumentComplaints,
): T | undefined {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) {
    const keys = issue.path.map((key) => (typeof key === 'number' ? key : String(key)))
    complaints.error([...path, ...keys], messageOf(issue))
  }
  return undefined
}

/** Says what would be right, never what is there: it may be a secret. */
function messageOf(issue: z.core.$ZodIssue): string {
  const message = issue.message.replace(/^Invalid (input|option): /, '')
  if (issue.code === 'invalid_type' && message.endsWith('received undefined')) {
    return `is missing: ${message.replace(/, received undefined$/, '')}`
  }
  const isUnquoted = issue.code === 'invalid_type' && issue.expected === 'string' && /(number|boolean)$/.test(message)
  return isUnquoted ? `${message}: put it in quotes` : message
}
