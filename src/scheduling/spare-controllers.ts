/** Abort controllers for requests, used again where nobody holds on to the last one: they are dear to make. */
import { getEventListeners } from 'node:events'

export interface SpareController {
  readonly controller: AbortController
  uses: number
}

/** As many as are commonly in flight at once. */
const sparesMost = 64
/** `AbortSignal.any` leaves a trace in the signal that nothing outside can see: it must not add up for ever. */
const usesMost = 100

const spares: SpareController[] = []

/** A controller whose signal has not fired and has no listeners. */
export function takeController(): SpareController {
  const spare = spares.pop() ?? { controller: new AbortController(), uses: 0 }
  spare.uses += 1
  return spare
}

/** Gives back a controller that its request is done with; kept only where nobody could tell it from a new one. */
export function giveBackController(spare: SpareController): void {
  if (spare.uses >= usesMost || spares.length >= sparesMost) return
  const { signal } = spare.controller
  if (signal.aborted || getEventListeners(signal, 'abort').length > 0) return
  spares.push(spare)
}
