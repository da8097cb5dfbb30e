/** The door of this room: KServe's manifests, and what a server makes of them. */
export type { Manifest, Manifests, SecretContent, ServiceAccountContent } from './manifests.ts'
export { plan } from './plan.ts'
export type { Plan, PlannedGraph, PlannedModel, PlannedService, PlanOptions } from './plan.ts'
export { readManifests } from './read-manifests.ts'
export type { PlannedHook } from './plan-components.ts'
export type {
  ByRole,
  ComponentRole,
  ComponentWay,
  LogMode,
  PlannedComponent,
  PlannedLimits,
  PlannedLogger,
} from './service-plan.ts'
export { keyOf, mergeManifests, noManifests, objectsOf, withoutObject } from './merge-manifests.ts'
export type { ObjectKey } from './merge-manifests.ts'
export { readManifestText } from './read-manifests.ts'
export { resourceNamed, resourcePath, resources } from './resources.ts'
export type { Resource, ResourceKind } from './resources.ts'
export { splitDocuments } from './split-documents.ts'
export type { SplitDocument } from './split-documents.ts'
export { findFiles } from './find-files.ts'
