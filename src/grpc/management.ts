/** Triton's management calls: repository, configuration, statistics, trace and logging. */
import { InferenceError } from '../core/errors.ts'
import type { LogSettingValues } from '../dataplane/log-settings.ts'
import type { Door } from './door.ts'
import {
  decodeControlRequest,
  decodeIndexRequest,
  decodeLogRequest,
  decodeTraceRequest,
  namedRepository,
} from './management-requests.ts'
import {
  kserveControlResponse,
  logSettingsResponse,
  modelConfigResponse,
  modelStatisticsResponse,
  repositoryIndexResponse,
  traceSettingResponse,
} from './management-schemas.ts'
import { encodeMessage } from './message-schema.ts'
import { decodeModelRef } from './messages.ts'
import { hostedRef } from './serving-model.ts'
import type { UnaryHandler } from './service.ts'

const nothing = Buffer.alloc(0)

/** Handlers by the names of their methods. */
export function managementHandlers(door: Door): Readonly<Record<string, UnaryHandler>> {
  const { dataPlane } = door
  const { modelControl } = dataPlane
  const control =
    (verb: 'load' | 'unload', message: string): UnaryHandler =>
    async (bytes) => {
      const { model, parameters, isKServe } = decodeControlRequest(bytes, message)
      await modelControl[verb](model, parameters)
      return isKServe ? encodeMessage(kserveControlResponse, { model_name: model, is_done: true }) : nothing
    }
  return {
    ModelConfig: async (bytes, context) => {
      const ref = hostedRef(door, context, decodeModelRef(bytes, 'ModelConfigRequest'))
      await dataPlane.wake(ref)
      const config = dataPlane.modelConfig(ref)
      return encodeMessage(modelConfigResponse, { config })
    },
    ModelStatistics: async (bytes, context) => {
      const ref = hostedRef(door, context, decodeModelRef(bytes, 'ModelStatisticsRequest'))
      const statistics = await (ref.name === '' ? dataPlane.statistics() : dataPlane.statistics(ref))
      return encodeMessage(modelStatisticsResponse, { model_stats: statistics })
    },
    RepositoryIndex: (bytes) => {
      const { repository, isReadyOnly } = decodeIndexRequest(bytes)
      if (repository !== '') throw namedRepository()
      return encodeMessage(repositoryIndexResponse, { models: modelControl.index(isReadyOnly) })
    },
    RepositoryModelLoad: control('load', 'RepositoryModelLoadRequest'),
    RepositoryModelUnload: control('unload', 'RepositoryModelUnloadRequest'),
    TraceSetting: async (bytes) => {
      const { model, settings } = decodeTraceRequest(bytes)
      if (model !== '') dataPlane.status({ name: model })
      const updated = await dataPlane.updateTrace(settings, model === '' ? undefined : model)
      const values = Object.entries(updated).map(([name, value]) => [name, { value: [value].flat() }])
      return encodeMessage(traceSettingResponse, { settings: Object.fromEntries(values) as object })
    },
    LogSettings: async (bytes) => {
      const settings = decodeLogRequest(bytes)
      if (dataPlane.logSettings === undefined) {
        throw new InferenceError('unimplemented', 'the levels of this log cannot be changed')
      }
      return encodeMessage(logSettingsResponse, { settings: choicesOf(await dataPlane.logSettings.update(settings)) })
    },
  }
}

/** Each setting as one of the three kinds that the message has. */
function choicesOf(values: LogSettingValues): Readonly<Record<string, object>> {
  const keys = { boolean: 'bool_param', number: 'uint32_param', string: 'string_param' } as const
  const choices: Record<string, object> = {}
  for (const [name, value] of Object.entries(values) as [string, string | number | boolean][]) {
    const kind = typeof value
    choices[name] = { [kind === 'boolean' || kind === 'number' ? keys[kind] : keys.string]: value }
  }
  return choices
}
