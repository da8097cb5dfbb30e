/** Names for versions of a model: `stable`, `canary`. TF Serving's version labels. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'

export class VersionLabels {
  readonly #byModel = new Map<string, ReadonlyMap<string, string>>()

  /** Replaces all labels of a model. @param labels version by label */
  set(model: string, labels: ReadonlyMap<string, string>): void {
    if (labels.size === 0) this.#byModel.delete(model)
    else this.#byModel.set(model, labels)
  }

  /**
   * The version that a label names, whether it is ready or not.
   *
   * @throws InferenceError `invalid_argument` in TF Serving's words where the model has no such label
   */
  resolve(model: string, label: string): Required<ModelRef> {
    const version = this.#byModel.get(model)?.get(label)
    if (version !== undefined) return { name: model, version }
    throw new InferenceError('invalid_argument', `Unrecognized servable version label: ${label}`)
  }
}
