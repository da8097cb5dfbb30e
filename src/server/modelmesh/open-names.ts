/** The other names of models: aliases, and vmodels where the API of ModelMesh is open. */
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InferenceError, messageOf } from '../../core/errors.ts'
import { AliasedRepository } from '../../repository/aliased-repository.ts'
import { isInside } from '../../repository/discovered-model.ts'
import { isUri } from '../../storage/index.ts'
import { AliasControl } from '../alias-control.ts'
import type { ServeConfig } from '../config.ts'
import { Mesh, type MeshParts } from './mesh.ts'
import type { MeshChange } from './mesh-change.ts'
import { locate, type EntryParts } from './mesh-entry.ts'
import { readModelKey } from './model-key.ts'
import { NamesFile } from './names-file.ts'

export interface NamesParts extends Pick<MeshParts, 'repository' | 'log' | 'signal' | 'share'> {
  readonly config: Pick<ServeConfig, 'modelMeshApi' | 'modelControl' | 'namesFile'> & EntryParts['config']
  /** How models are found that come while the server runs. */
  readonly local: Omit<EntryParts, 'config' | 'log'>
}

export interface OpenedNames {
  readonly aliases: AliasControl
  /** Absent where its API is not open. */
  readonly mesh: Mesh | undefined
  /** The models by all of their names. */
  readonly repository: AliasedRepository
  /** Makes a change in this process. @param isReplay it was made elsewhere long ago: nothing is compared */
  apply(change: MeshChange, isReplay?: boolean): void
  /** Makes again what was changed before the last end. @throws InferenceError where the file of it cannot be read */
  restore(): Promise<void>
  close(): void
}

export function openNames(parts: NamesParts): OpenedNames {
  const { config, repository, log } = parts
  const file =
    config.namesFile === undefined ? undefined : new NamesFile(config.namesFile, log, parts.share !== undefined)
  const shareAll = parts.share ?? (async (change: MeshChange) => apply(change))
  const share = async (change: MeshChange): Promise<void> => {
    await shareAll(change)
    await file?.note(change)
  }
  const apply = (change: MeshChange, isReplay = false): void => {
    try {
      if (change.kind === 'alias') aliases.apply(change, isReplay)
      else mesh?.apply(change, isReplay)
    } catch (reason) {
      if (!isReplay) throw reason
      log.warn({ name: change.id, reason: messageOf(reason) }, 'what was asked for earlier does not hold any more')
    }
  }
  const directory = config.modelMeshApi
  const aliases: AliasControl = new AliasControl({
    repository,
    isTaken: (name) => mesh?.has(name) === true,
    isEnabled: config.modelControl === 'explicit',
    share,
  })
  const mesh: Mesh | undefined =
    directory === undefined
      ? undefined
      : new Mesh({
          ...parts,
          share,
          isTaken: (name) => aliases.get(name) !== undefined,
          locate: async (id, { type, path, key }, signal) => {
            const model = { modelId: id, modelType: type, modelKey: key }
            const isStored = hasStorage(key)
            const modelPath = isStored ? path : await placeOf(directory, path === '' ? id : path)
            return locate({ ...model, modelPath }, { ...parts.local, config, log }, signal)
          },
        })
  return {
    aliases,
    mesh,
    repository: new AliasedRepository(repository, [aliases.names, ...(mesh === undefined ? [] : [mesh.names])]),
    apply,
    restore: async () => {
      for (const change of (await file?.read()) ?? []) apply(asKept(change), true)
    },
    close: () => mesh?.close(),
  }
}

/** True where the path is one in a store. @throws InferenceError `invalid_argument` for a malformed key */
function hasStorage(key: string): boolean {
  const { storageKey, storageParameters } = readModelKey(key)
  return storageKey !== undefined || storageParameters !== undefined
}

/** @throws InferenceError `permission_denied` for what lies elsewhere; `not_found` for what is not there */
async function placeOf(directory: string, path: string): Promise<string> {
  if (isUri(path)) return path
  const place = resolve(directory, path)
  const root = await realpath(directory).catch((reason: unknown) => {
    throw new InferenceError('failed_precondition', `--model-mesh-api: ${messageOf(reason)}`, { cause: reason })
  })
  const real = await realpath(place).catch(() => undefined)
  // The same whether it is there or not: who may register models need not know what else is on the disk.
  if (real === undefined ? !isInside(resolve(directory), place) : !isInside(root, real) && real !== root) {
    throw new InferenceError('permission_denied', `${path} lies outside of the directory of --model-mesh-api`)
  }
  if (real === undefined)
    throw new InferenceError('not_found', `there is no ${path} in the directory of --model-mesh-api`)
  return real
}

/** Models are loaded by their first request after a start. */
function asKept(change: MeshChange): MeshChange {
  return change.kind === 'register' || change.kind === 'vmodel' ? { ...change, isLoadedNow: false } : change
}
