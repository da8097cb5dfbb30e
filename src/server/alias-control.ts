/** Aliases on request: other names for models, and names that divide their requests among several. */
import { InferenceError } from '../core/errors.ts'
import { Aliases, type Alias, type AliasTarget, type Expected } from '../repository/aliases.ts'
import type { ModelRepository } from '../repository/model-repository.ts'
import type { RestAliases } from '../rest/alias-routes.ts'
import type { AliasChange } from './modelmesh/mesh-change.ts'

export interface AliasParts {
  readonly repository: Pick<ModelRepository, 'has' | 'status'>
  /** True for names that are taken by what is neither a model nor an alias. */
  readonly isTaken: (name: string) => boolean
  /** Callers may change them. */
  readonly isEnabled: boolean
  /** Has every process of this server make a change, this one first; only this one where absent. */
  readonly share?: ((change: AliasChange) => Promise<void>) | undefined
}

export class AliasControl implements RestAliases {
  readonly names = new Aliases()
  readonly #parts: AliasParts

  constructor(parts: AliasParts) {
    this.#parts = parts
  }

  get all(): readonly Alias[] {
    return this.names.all
  }

  get(name: string): Alias | undefined {
    return this.names.get(name)
  }

  async set(name: string, targets: readonly AliasTarget[], expected?: Expected): Promise<void> {
    await this.#share({ kind: 'alias', id: name, targets, ...(expected === undefined ? {} : { expected }) })
  }

  async delete(name: string, expected?: Expected): Promise<void> {
    if (this.names.get(name) === undefined) throw new InferenceError('not_found', `there is no alias '${name}'`)
    await this.#share({ kind: 'alias', id: name, targets: [], ...(expected === undefined ? {} : { expected }) })
  }

  /**
   * Makes a change in this process.
   *
   * @param isReplay it was made elsewhere long ago: nothing is compared
   * @throws InferenceError that says what is wrong with it: nothing has changed then
   */
  apply({ id, targets, expected }: AliasChange, isReplay = false): void {
    const compared = isReplay ? undefined : expected
    if (targets.length === 0) {
      this.names.delete(id, compared)
      return
    }
    this.names.check(id, compared)
    this.#checkName(id)
    if (!isReplay) for (const target of targets) this.#checkTarget(target)
    this.names.set(id, targets)
  }

  async #share(change: AliasChange): Promise<void> {
    const { share, isEnabled } = this.#parts
    if (!isEnabled) {
      const text = 'aliases cannot be changed while polling is enabled or the server runs with --model-control none'
      throw new InferenceError('unavailable', text)
    }
    if (share === undefined) this.apply(change)
    else await share(change)
  }

  #checkName(name: string): void {
    const { repository, isTaken } = this.#parts
    if (name === '' || /[/\\:]/.test(name)) {
      throw new InferenceError('invalid_argument', `an alias cannot be named '${name}': no slash, backslash or colon`)
    }
    if (repository.has(name)) throw new InferenceError('already_exists', `'${name}' is the name of a model`)
    if (isTaken(name)) throw new InferenceError('already_exists', `'${name}' is the name of a vmodel`)
  }

  /** @throws InferenceError `not_found` */
  #checkTarget({ model, version }: AliasTarget): void {
    this.#parts.repository.status(version === undefined ? { name: model } : { name: model, version })
  }
}
