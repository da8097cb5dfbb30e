/** Versions of a model: their order and their spelling. */

const collator = new Intl.Collator('en', { numeric: true })

/** Oldest first: numbers by value, however long; anything else in natural order (`v9` before `v10`). */
export function compareVersions(left: string, right: string): number {
  return collator.compare(left, right) || (left < right ? -1 : left > right ? 1 : 0)
}

/** The number that names a version directory, without the leading zeros that TF Serving allows (`00000123` is `123`). */
export function versionOf(directoryName: string): string | undefined {
  return /^\d{1,18}$/.test(directoryName) ? String(BigInt(directoryName)) : undefined
}
