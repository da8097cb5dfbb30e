/** Finds the models of a TF Serving configuration: which versions, from where, under which labels. */
import { realpath } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import type { ServingConfig, VersionPolicy } from '../codec/tensorflow/reload-config.ts'
import { InferenceError, messageOf, type ErrorCode } from '../core/errors.ts'
import { isInside } from '../repository/discovered-model.ts'
import type { GivenConfig } from '../repository/declarations.ts'
import { compareVersions } from '../repository/version.ts'
import type { ServedModelSource } from './models.ts'

/** Where a server looks for models. */
export interface ModelFinder {
  /** Looks anew for the models of the server. */
  readonly all: () => Promise<readonly ServedModelSource[]>
  /** The versions of the one model at a path, under a name of the caller's. */
  readonly at: (path: string, name: string, config?: GivenConfig) => Promise<readonly ServedModelSource[]>
  /** Files and directories outside of which nothing is served. */
  readonly roots: readonly string[]
}

/** A model of a configuration with the versions that its policy picks, oldest first. */
export interface ConfiguredModel {
  readonly config: ServingConfig
  readonly sources: readonly ServedModelSource[]
}

/** @throws InferenceError for the first thing that is wrong with the list, before anything was loaded */
export async function findConfigured(
  configs: readonly ServingConfig[],
  finder: ModelFinder,
): Promise<readonly ConfiguredModel[]> {
  const names = new Set<string>()
  for (const { name } of configs) {
    if (name === '' || /[/\\:]/.test(name)) {
      throw refusal('invalid_argument', `a model cannot be named '${name}': no slash, backslash or colon`)
    }
    if (names.has(name))
      throw refusal('invalid_argument', `Illegal to list model ${name} multiple times in config list`)
    names.add(name)
  }
  return Promise.all(configs.map((config) => findOne(config, finder)))
}

async function findOne(config: ServingConfig, finder: ModelFinder): Promise<ConfiguredModel> {
  const { name, basePath, policy, labels } = config
  const found = basePath === '' ? await findByName(name, finder) : await findByPath(config, finder)
  const sources = pick(found, policy, name)
  for (const [label, version] of labels) {
    if (sources.some(({ ref }) => ref.version === version)) continue
    throw refusal(
      'failed_precondition',
      `Request to assign label '${label}' to version ${version} of model ${name}, which is not currently available for inference`,
    )
  }
  return { config, sources }
}

async function findByName(name: string, finder: ModelFinder): Promise<readonly ServedModelSource[]> {
  const sources = (await finder.all()).filter(({ ref }) => ref.name === name)
  if (sources.length > 0) return sources
  throw refusal(
    'invalid_argument',
    `Expected model ${name} to have an absolute path or URI; got base_path()=, and no model of that name is in the served paths`,
  )
}

async function findByPath(
  { name, basePath }: ServingConfig,
  finder: ModelFinder,
): Promise<readonly ServedModelSource[]> {
  if (!isAbsolute(basePath)) {
    throw refusal('invalid_argument', `Expected model ${name} to have an absolute path; got base_path()=${basePath}`)
  }
  const path = resolve(basePath)
  if (!(await isServed(path, finder))) {
    // The same whether it is there or not: who may load models need not know what else is on the disk.
    throw refusal(
      'permission_denied',
      `base_path ${basePath} of model ${name} lies outside of the paths that this server was started with`,
    )
  }
  try {
    return await finder.at(path, name)
  } catch (reason) {
    throw refusal(
      'not_found',
      `No versions of servable ${name} found under base path ${basePath}: ${messageOf(reason)}`,
    )
  }
}

/** By where links lead; a link in a repository that is a model itself is served anyway. */
async function isServed(path: string, { all, roots }: ModelFinder): Promise<boolean> {
  const [real, ...realRoots] = await Promise.all(
    [path, ...roots].map((each) => realpath(each).catch(() => resolve(each))),
  )
  if (real !== undefined && realRoots.some((root) => isInside(root, real))) return true
  return (await all()).some(({ root }) => root === path)
}

function pick(
  sources: readonly ServedModelSource[],
  policy: VersionPolicy,
  name: string,
): readonly ServedModelSource[] {
  const sorted = sources.toSorted((left, right) => compareVersions(left.ref.version, right.ref.version))
  switch (policy.kind) {
    case 'all':
      return sorted
    case 'latest':
      return sorted.slice(-policy.count)
    case 'specific': {
      const missing = policy.versions.find((version) => !sorted.some(({ ref }) => ref.version === version))
      if (missing === undefined) return sorted.filter(({ ref }) => policy.versions.includes(ref.version))
      throw refusal(
        'not_found',
        `Version ${missing} of servable ${name}, which its version policy asks for, was not found`,
      )
    }
  }
}

function refusal(code: ErrorCode, message: string): InferenceError {
  return new InferenceError(code, message)
}
