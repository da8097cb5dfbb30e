/** When the requests of an open loop are due: computed before the first is sent, the same for the same seed. */

export interface ArrivalOptions {
  /** `bursty`: on and off by turns, at twice and at a third of the rate. */
  readonly process: 'poisson' | 'bursty'
  /** Mean rate, above 0. */
  readonly perSecond: number
  readonly seconds: number
  readonly seed: number
}

/** Mean lengths of the two phases, and their rates: (200 × 2 + 300 × ⅓) ÷ 500 = 1. */
const onMs = 200
const offMs = 300
const onRate = 2
const offRate = 1 / 3

/** @returns milliseconds from the start, ascending, all within `seconds` */
export function arrivals({ process, perSecond, seconds, seed }: ArrivalOptions): Float64Array {
  const random = randomFrom(seed)
  const endMs = seconds * 1000
  const perMs = perSecond / 1000
  const times = process === 'poisson' ? poisson(perMs, endMs, random) : bursty(perMs, endMs, random)
  return Float64Array.from(times)
}

function* poisson(perMs: number, endMs: number, random: () => number): Generator<number> {
  for (let now = gap(perMs, random); now < endMs; now += gap(perMs, random)) yield now
}

/** Phases last between half and one and a half of their mean; a gap that reaches beyond one starts anew with the next. */
function* bursty(perMs: number, endMs: number, random: () => number): Generator<number> {
  let isOn = true
  let phaseEnd = onMs * (0.5 + random())
  let now = 0
  while (now < endMs) {
    const next = now + gap(perMs * (isOn ? onRate : offRate), random)
    if (next > phaseEnd) {
      now = phaseEnd
      isOn = !isOn
      phaseEnd = now + (isOn ? onMs : offMs) * (0.5 + random())
      continue
    }
    now = next
    if (now < endMs) yield now
  }
}

/** Exponentially distributed. */
function gap(perMs: number, random: () => number): number {
  return -Math.log(1 - random()) / perMs
}

/** Numbers from 0 to below 1 (mulberry32): fast, and good enough for arrivals. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
