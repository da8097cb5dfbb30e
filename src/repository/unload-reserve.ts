/** How much of a budget is kept free, so that a load need not wait for an unload. */

/** Of the budget, at most. Where the models are larger than that, waiting is cheaper than a model less. */
const mostShare = 0.1
/** Of the budget, where models are tiny. */
const leastShare = 0.01

/**
 * ModelMesh's unload buffer: room for half of the loads that run at once.
 *
 * @param typicalBytes of a model
 * @param loads that run at once
 * @returns bytes
 */
export function unloadReserve(budgetBytes: number, typicalBytes: number, loads: number): number {
  if (loads === 0) return 0
  const wanted = Math.max((typicalBytes * loads) / 2, budgetBytes * leastShare)
  return Math.max(typicalBytes, wanted) > budgetBytes * mostShare ? 0 : wanted
}
