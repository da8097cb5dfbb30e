/** Shapes of plain values, and how they fit a shape with free dimensions. */
import { InferenceError } from '../core/errors.ts'
import { elementCount } from '../core/tensor.ts'

/** Values nested to any depth; every level has rows of one length. */
export type Nested<T> = T | readonly Nested<T>[]

/**
 * @returns shape and elements, row-major
 * @throws InferenceError `invalid_argument` where rows differ in length
 */
export function flatten<T>(value: Nested<T>, label: string): { shape: readonly number[]; values: readonly T[] } {
  const shape: number[] = []
  for (let level = value; isList(level);) {
    shape.push(level.length)
    const first = level[0]
    if (first === undefined) break
    level = first
  }
  const values: T[] = []
  const walk = (node: Nested<T>, depth: number): void => {
    if (isList(node) !== depth < shape.length) {
      throw new InferenceError('invalid_argument', `${label}: rows and single values are mixed`)
    }
    if (!isList(node)) {
      values.push(node)
      return
    }
    if (node.length !== shape[depth]) {
      const first = shape[depth] ?? 0
      throw new InferenceError(
        'invalid_argument',
        `${label}: all rows need one length, got rows of ${first} and of ${node.length} elements`,
      )
    }
    for (const row of node) walk(row, depth + 1)
  }
  walk(value, 0)
  return { shape, values }
}

function isList<T>(value: Nested<T>): value is readonly Nested<T>[] {
  return Array.isArray(value)
}

/**
 * The shape that values take under a pattern: as they are nested, with ones before it where a row stands for a batch of
 * one, or, where they are flat, cut into rows. A flat list of `k` is one row of `[-1,k]` and of `[-1,-1]`.
 *
 * @param actual shape of the values, rank 0 or 1 where they are flat
 * @param pattern -1 where a dimension is free
 * @returns undefined where they do not fit
 */
export function fitShape(actual: readonly number[], pattern: readonly number[]): readonly number[] | undefined {
  if (agrees(actual, pattern)) return actual
  if (pattern.length === 0) return elementCount(actual) === 1 ? [] : undefined
  if (actual.length <= 1) return cutIntoRows(elementCount(actual), pattern)
  if (actual.length > pattern.length) return undefined
  const padded = [...Array.from({ length: pattern.length - actual.length }, () => 1), ...actual]
  return agrees(padded, pattern) ? padded : undefined
}

function agrees(shape: readonly number[], pattern: readonly number[]): boolean {
  return (
    shape.length === pattern.length && pattern.every((expected, axis) => expected === -1 || expected === shape[axis])
  )
}

function cutIntoRows(count: number, pattern: readonly number[]): readonly number[] | undefined {
  const free = pattern.filter((dimension) => dimension === -1).length
  if (free === 0) return elementCount(pattern) === count ? pattern : undefined
  if (free > 1) return pattern[0] === -1 && free === 2 ? cutIntoRows(count, [1, ...pattern.slice(1)]) : undefined
  const rest = pattern.reduce((product, dimension) => (dimension === -1 ? product : product * dimension), 1)
  if (rest === 0 || count % rest !== 0) return undefined
  return pattern.map((dimension) => (dimension === -1 ? count / rest : dimension))
}
