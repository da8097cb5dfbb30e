/** Powers of ten, for reading and writing decimals. */

/** The largest power of ten that a double holds exactly. */
export const largestExactPower = 22

/** 10^0 … 10^22, each exact. */
export const exactPowers: Float64Array = Float64Array.from({ length: largestExactPower + 1 }, (_, power) =>
  Number(`1e${power}`),
)
