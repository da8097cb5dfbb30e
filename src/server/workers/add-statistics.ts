/** The statistics of several processes as those of one server. */

type Fields = Readonly<Record<string, unknown>>

/** Numbers that do not add: the latest time, and what each process has learned for itself. */
const estimates = ['last_inference', 'alpha_ms', 'beta_ms', 'margin', 'efficient_batch', 'expected_wait_ms'] as const

/** What tells the elements of lists apart. */
const identities = ['batch_size', 'type', 'id'] as const

/**
 * Adds up what processes have counted of the same versions: numbers add, the last inference is the latest.
 *
 * @returns one element per name and version, in the order in which they first come
 */
export function addStatistics(all: readonly (readonly Fields[])[]): readonly Fields[] {
  const sums = new Map<string, Fields>()
  for (const model of all.flat()) {
    const key = `${String(model['name'])}\0${String(model['version'])}`
    const known = sums.get(key)
    sums.set(key, known === undefined ? model : addFields(known, model))
  }
  return [...sums.values()]
}

function addFields(left: Fields, right: Fields): Fields {
  const names = new Set([...Object.keys(left), ...Object.keys(right)])
  return Object.fromEntries([...names].map((name) => [name, addValues(name, left[name], right[name])]))
}

function addValues(name: string, left: unknown, right: unknown): unknown {
  if (left === undefined) return right
  if (typeof left === 'number' && typeof right === 'number') {
    if (estimates.some((estimate) => estimate === name)) return Math.max(left, right)
    return identities.some((identity) => identity === name) ? left : left + right
  }
  if (Array.isArray(left) && Array.isArray(right)) return addLists(left, right)
  return isFields(left) && isFields(right) ? addFields(left, right) : left
}

function addLists(left: readonly unknown[], right: readonly unknown[]): readonly unknown[] {
  const sums = new Map<string, Fields>()
  for (const element of [...left, ...right].filter(isFields)) {
    const key = identities.map((identity) => String(element[identity])).join(' ')
    const known = sums.get(key)
    sums.set(key, known === undefined ? element : addFields(known, element))
  }
  return [...sums.values()].sort((a, b) => Number(a['batch_size'] ?? 0) - Number(b['batch_size'] ?? 0))
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
