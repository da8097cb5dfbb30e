/** Neighbours of numbers: `x < b` as `x <= previous(b)`. */

const view = new DataView(new ArrayBuffer(8))

/** The largest double below `value`, which is finite. */
export function previous(value: number): number {
  if (value === 0) return -Number.MIN_VALUE
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? -1n : 1n))
  return view.getFloat64(0)
}
