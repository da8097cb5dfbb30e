/** Which runtime serves which model format. */
import { stat } from 'node:fs/promises'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { ModelSpec, Runtime } from '../core/model.ts'

export class RuntimeRegistry {
  readonly #byName = new Map<string, Runtime>()
  readonly #byFormat = new Map<string, Runtime>()

  /**
   * Adds a runtime. The first one registered for a format keeps it; another is reached by name.
   * @throws InferenceError `failed_precondition` where its name is taken or its contract is of another version
   */
  register(runtime: Runtime): this {
    checkContract(runtime)
    if (this.#byName.has(runtime.name)) {
      throw new InferenceError('failed_precondition', `runtime '${runtime.name}' is registered twice`)
    }
    this.#byName.set(runtime.name, runtime)
    for (const format of runtime.formats) if (!this.#byFormat.has(format)) this.#byFormat.set(format, runtime)
    return this
  }

  /** @throws InferenceError `failed_precondition` listing the formats that can be served */
  forFormat(format: string): Runtime {
    const runtime = this.#byFormat.get(format)
    if (runtime !== undefined) return runtime
    const text = `no runtime serves model format '${format}': there are ${list(this.formats)}`
    throw new InferenceError('failed_precondition', text)
  }

  /** @throws InferenceError `failed_precondition` listing the runtimes there are */
  forName(name: string): Runtime {
    const runtime = this.#byName.get(name)
    if (runtime !== undefined) return runtime
    const text = `there is no runtime '${name}': there are ${list(this.names)}`
    throw new InferenceError('failed_precondition', text)
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  get formats(): readonly string[] {
    return [...this.#byFormat.keys()]
  }
}

/** A runtime that is imported when its first model loads. */
export interface LazyRuntime {
  readonly name: string
  readonly formats: readonly string[]
  /** What `import()` takes: a package, or the URL of a file. Its default export is the Runtime. */
  readonly specifier: string
  /** The command that installs what is missing. */
  readonly install?: string
}

/**
 * Stands in for a runtime until it is needed, so that a package that is not installed costs nothing until a model asks
 * for it. `load` then throws `failed_precondition` with the command to type.
 */
export function lazyRuntime(lazy: LazyRuntime): Runtime {
  const { name, formats } = lazy
  let imported: Promise<Runtime> | undefined
  const runtime = (): Promise<Runtime> => {
    imported ??= importRuntime(lazy)
    imported.catch(() => (imported = undefined)) // a package may be installed while the server runs
    return imported
  }
  return {
    api: 1,
    name,
    formats,
    estimateBytes: async (spec) => {
      const real = await runtime()
      return real.estimateBytes === undefined ? fileBytes(spec) : real.estimateBytes(spec)
    },
    load: async (spec, log, signal) => (await runtime()).load(spec, log, signal),
  }
}

/** What the contract says of a runtime without an estimate of its own: the file × 1.25. */
async function fileBytes(spec: ModelSpec): Promise<number> {
  return spec.file === undefined ? 0 : (await stat(spec.file)).size * 1.25
}

/**
 * Imports a runtime named by specifier.
 * @throws InferenceError `failed_precondition` naming what is missing and, where known, the command that installs it
 */
export async function importRuntime({ name, specifier, install }: Omit<LazyRuntime, 'formats'>): Promise<Runtime> {
  const module = await importModule(name, specifier, install)
  if (typeof module === 'object' && module !== null && 'default' in module && isRuntime(module.default)) {
    checkContract(module.default)
    return module.default
  }
  const text = `'${specifier}' is no runtime: its default export must have api, name, formats and load`
  throw new InferenceError('failed_precondition', text)
}

async function importModule(name: string, specifier: string, install: string | undefined): Promise<unknown> {
  try {
    return await import(specifier)
  } catch (reason) {
    const advice = install === undefined ? '' : `. Install it: ${install}`
    const text = `runtime '${name}' cannot be loaded: ${messageOf(reason)}${advice}`
    throw new InferenceError('failed_precondition', text, { cause: reason })
  }
}

function checkContract({ api, name }: Runtime): void {
  if ((api as number) === 1) return // a plugin may be of any version, whatever its type says
  const text = `runtime '${name}' is written for plugin contract ${String(api)}; this server has 1`
  throw new InferenceError('failed_precondition', text)
}

function isRuntime(value: unknown): value is Runtime {
  if (typeof value !== 'object' || value === null) return false
  if (!('api' in value && 'name' in value && 'formats' in value && 'load' in value)) return false
  return typeof value.name === 'string' && Array.isArray(value.formats) && typeof value.load === 'function'
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `'${name}'`).join(', ')
}
