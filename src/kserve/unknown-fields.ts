/** Tells of fields that no InferenceService and no ServingRuntime has. */
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { componentFields, containerFields, podFields, runtimeFields } from './fields.ts'
import {
  component,
  container,
  inferenceService,
  legacyFormats,
  logger,
  model,
  predictor,
  servingRuntime,
  type InferenceServiceSpec,
  type ServingRuntimeSpec,
} from './schemas.ts'

const fieldsOfPredictor = [...Object.keys(predictor.shape), ...componentFields, ...podFields]
const fieldsOfModel = [...Object.keys(model.shape), ...containerFields]
const fieldsOfComponent = [...Object.keys(component.shape), 'art', ...componentFields, ...podFields]
const fieldsOfLogger = Object.keys(logger.shape)
const fieldsOfContainer = [...Object.keys(container.shape), ...containerFields]
const fieldsOfRuntime = [...Object.keys(servingRuntime.shape), ...runtimeFields]

export function warnOfUnknownServiceFields(spec: InferenceServiceSpec, complaints: DocumentComplaints): void {
  const look = lookFor(complaints)
  look(spec, Object.keys(inferenceService.shape), ['spec'])
  const { predictor: given } = spec
  const base = ['spec', 'predictor']
  look(given, fieldsOfPredictor, base)
  if (given.logger) look(given.logger, fieldsOfLogger, [...base, 'logger'])
  for (const role of ['transformer', 'explainer'] as const) {
    const part = spec[role]
    if (part === undefined) continue
    look(part, fieldsOfComponent, ['spec', role])
    part.containers?.forEach((each, index) => look(each, fieldsOfContainer, ['spec', role, 'containers', index]))
    if (part.logger) look(part.logger, fieldsOfLogger, ['spec', role, 'logger'])
  }
  if (given.model) {
    look(given.model, fieldsOfModel, [...base, 'model'])
    look(given.model.modelFormat, ['name', 'version'], [...base, 'model', 'modelFormat'])
  }
  for (const format of legacyFormats) if (given[format]) look(given[format], fieldsOfModel, [...base, format])
  if (given.batcher) look(given.batcher, ['maxBatchSize', 'maxLatency', 'timeout'], [...base, 'batcher'])
  for (const [key, part] of [
    ['model', given.model],
    ...legacyFormats.map((each) => [each, given[each]] as const),
  ] as const) {
    if (part?.storage)
      look(part.storage, ['key', 'path', 'schemaPath', 'schemaUri', 'parameters'], [...base, key, 'storage'])
  }
}

export function warnOfUnknownRuntimeFields(spec: ServingRuntimeSpec, complaints: DocumentComplaints): void {
  const look = lookFor(complaints)
  look(spec, fieldsOfRuntime, ['spec'])
  spec.supportedModelFormats?.forEach((format, index) =>
    look(format, ['name', 'version', 'autoSelect', 'priority'], ['spec', 'supportedModelFormats', index]),
  )
  spec.containers?.forEach((each, index) => look(each, fieldsOfContainer, ['spec', 'containers', index]))
}

function lookFor(complaints: DocumentComplaints) {
  return (given: object, known: readonly string[], path: SpecPath): void => {
    for (const key of Object.keys(given)) if (!known.includes(key)) complaints.unknown([...path, key], known)
  }
}
