/** Runs one call within its deadline and the limits of its model. */
import type { InferenceResponse } from '../core/inference.ts'
import type { Call } from './call.ts'
import { unlessAborted, withDeadline } from './deadline.ts'
import type { Limit } from './service-limits.ts'

type Run = () => Promise<InferenceResponse>

export interface CallLimits {
  /** Of the model, where it has any. */
  readonly limit: Limit | undefined
  /** The deadline at which the signal of the call fires anyway. */
  readonly given: number | undefined
}

/** @throws InferenceError `deadline_exceeded`; `resource_exhausted` where too many calls of the model wait; what `use` rejects with */
export function runLimited(call: Call, { limit, given }: CallLimits, use: Run): Promise<InferenceResponse> {
  const run = limit === undefined ? use : () => limit.run(call.context.signal, use)
  return call.deadline === undefined ? run() : runInTime(call, given, run)
}

/** Answers no later than the deadline of the call; a run that cannot be interrupted goes on and keeps its lease. */
function runInTime(call: Call, given: number | undefined, run: Run): Promise<InferenceResponse> {
  const { context, deadline = Infinity } = call
  if (deadline === given) return unlessAborted(run(), context.signal)
  return withDeadline(context, deadline, (limited) => {
    call.context = limited
    return unlessAborted(run(), limited.signal)
  })
}
