/** One explain request and one model: by the model itself, or by a hook around it. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import type { ModelHandle } from '../repository/repository.ts'
import type { Call } from './call.ts'
import { inferWith, postprocess, preprocess } from './infer.ts'

/** @throws InferenceError `unimplemented` where neither the model nor a hook explains; as they do */
export async function explainWith(handle: ModelHandle, call: Call): Promise<InferenceResponse> {
  const { model, hooks, ref } = handle
  const hook = hooks.find((each) => each.explain !== undefined)
  const started = performance.now()
  if (hook?.explain !== undefined) {
    const response = await hook.explain(call.request, call.context, (request) =>
      inferWith(handle, { ...call, timings: { ...call.timings }, request: { ...request, model: ref } }),
    )
    call.timings.explainMs = performance.now() - started
    return { ...response, model: ref }
  }
  if (model.explain === undefined) {
    throw new InferenceError('unimplemented', `Model with name ${ref.name} has no explainer.`)
  }
  const prepared = await preprocess(handle, call)
  const prepareEnd = performance.now()
  const response = await model.explain(prepared, call.context)
  call.timings.explainMs = performance.now() - prepareEnd
  return postprocess(handle, call, response)
}
