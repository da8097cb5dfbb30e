/** Reads values from a parsed file of unknown form: each says where it stands when it is not what it should be. */
import { refused } from './refused.ts'

/** A list of numbers, however the file holds it. */
export type Numbers = ArrayLike<number>

export type Fields = Readonly<Record<string, unknown>>

/** @throws InferenceError `failed_precondition` where it is no object */
export function fields(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields // checked above
  throw refused(`${where} is missing, or no object`)
}

/** @throws InferenceError `failed_precondition` where it is no list */
export function list(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (isTyped(value)) return Array.from(value)
  throw refused(`${where} is missing, or no list`)
}

/**
 * @param length that it must have
 * @throws InferenceError `failed_precondition` where it is no list of that many finite numbers
 */
export function numbers(value: unknown, where: string, length?: number): Numbers {
  const found = isTyped(value) ? value : list(value, where)
  if (length !== undefined && found.length !== length) {
    throw refused(`${where} has ${found.length} elements instead of ${length}`)
  }
  for (let index = 0; index < found.length; index += 1) {
    const element = found[index]
    if (typeof element === 'number' ? Number.isNaN(element) : typeof element !== 'boolean') {
      throw refused(`${where}[${index}] is ${String(element)}, not a number`)
    }
  }
  return found as Numbers // checked above; `true` and `false` count as 1 and 0
}

/** A number, or a text of one as XGBoost writes its parameters. */
export function numberOf(value: unknown, where: string, missing?: number): number {
  if (value === undefined && missing !== undefined) return missing
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  throw refused(`${where} is ${JSON.stringify(value) ?? 'missing'}, not a number`)
}

/** @throws InferenceError `failed_precondition` where it is no whole number from `least` to `most` */
export function integerOf(
  value: unknown,
  where: string,
  { least, most, missing }: { readonly least: number; readonly most: number; readonly missing?: number },
): number {
  const number = numberOf(value, where, missing)
  if (Number.isInteger(number) && number >= least && number <= most) return number
  throw refused(`${where} is ${number}: it must be a whole number from ${least} to ${most}`)
}

function isTyped(value: unknown): value is Numbers {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !(value instanceof BigInt64Array)
}
