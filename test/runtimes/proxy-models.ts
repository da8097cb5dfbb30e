/** Whole models as definitions, for servers that are started by name. */
import type { Model } from '../../src/core/model.ts'
import type { DefinedModel } from '../../src/runtime/define-model.ts'

/** A definition that opens to this very model. */
export function definedBy(model: Model): DefinedModel {
  return { version: '1', maxQueueSize: 1000, scheduling: { batching: 'off' }, isCached: false, open: async () => model }
}
