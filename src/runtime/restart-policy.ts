/** When a process that died is started again, and when it is given up. Pure. */

/** Deaths in a row, without good time between, after which a session is given up. */
export const mostDeaths = 5
/** A process that lived so long before it died shows that the model works: earlier deaths are forgotten. */
export const goodMs = 60_000
const firstDelayMs = 100
const longestDelayMs = 10_000
const growth = 3

export type Restart =
  | { readonly kind: 'restart'; readonly deaths: number; readonly delayMs: number }
  | { readonly kind: 'give up'; readonly deaths: number }

/**
 * @param deaths in a row before this one
 * @param livedMs how long the process worked
 * @param random 0 to 1: spreads the delay between a half and the whole, lest many start together
 */
export function afterDeath(deaths: number, livedMs: number, random: number): Restart {
  const inARow = livedMs >= goodMs ? 1 : deaths + 1
  if (inARow >= mostDeaths) return { kind: 'give up', deaths: inARow }
  const delayMs = Math.min(longestDelayMs, firstDelayMs * growth ** (inARow - 1))
  return { kind: 'restart', deaths: inARow, delayMs: Math.max(firstDelayMs, delayMs * (0.5 + random / 2)) }
}
