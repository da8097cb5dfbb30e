/** The signature of a model as callers see it: outside its hooks. */
import type { Hooks, ModelMetadata } from '../core/model.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Signature } from '../core/signature.ts'
import type { LoadedModel } from './entry.ts'
import type { ServedMetadata } from './status.ts'

/**
 * What remains visible when hooks stand around a signature. `preprocess` runs first to last and `postprocess` last to
 * first, so that the first hook that declares a side is the outermost one.
 */
export function outerSignature(inner: Signature, hooks: readonly Hooks[]): Signature {
  return {
    inputs: hooks.find((hook) => hook.inputs !== undefined)?.inputs ?? inner.inputs,
    outputs: hooks.find((hook) => hook.outputs !== undefined)?.outputs ?? inner.outputs,
  }
}

/** Hooks are made for the first signature of a model: where there are any, it is the only one that is served. */
export function hookedSignatures(
  { signatures = [] }: ModelMetadata,
  hooks: readonly Hooks[],
): Pick<ModelMetadata, 'signatures'> {
  const isFree = hooks.every((hook) => hook.preprocess === undefined && hook.postprocess === undefined)
  return isFree || signatures.length < 2 ? {} : { signatures: signatures.slice(0, 1) }
}

/** @param versions ready versions of the model, oldest first */
export function servedMetadata(
  ref: Required<ModelRef>,
  { model, hooks, scheduling, isCached = false, config }: LoadedModel,
  versions: readonly string[],
): ServedMetadata {
  const labels = hooks.flatMap((hook) => [...(hook.labels ?? [])])
  return {
    ...model.metadata,
    ...outerSignature(model.metadata, hooks),
    ...hookedSignatures(model.metadata, hooks),
    ref,
    versions,
    hasExplainer: model.explain !== undefined || hooks.some((hook) => hook.explain !== undefined),
    maxBatchSize: model.maxBatchSize,
    ...(labels.length === 0 ? {} : { labels: new Map(labels) }),
    ...(scheduling === undefined ? {} : { scheduling }),
    ...(model.takesRaw === true && hooks.length === 0 ? { takesRaw: true } : {}),
    ...(isCached ? { isCached } : {}),
    ...(config === undefined ? {} : { config }),
  }
}
