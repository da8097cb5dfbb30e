/** How far the heap of a server grows between two collections of all of it. */
import { setFlagsFromString } from 'node:v8'

/** V8's own, where little of the time goes into collections: between 30 and 300, and the least while request bodies come and go. */
const growingPercent = 300

/**
 * Collects the whole heap less often. The bodies of requests lie outside of the heap but count for its growth, so that a
 * few dozen bodies of 600 KB set off a collection of everything, twice as often as V8's own limit for such memory asks for.
 */
export function growHeapFurther(): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`)
}
