/** A text that nobody sees by accident: not in a log, a message, a stack or a JSON document. */
import { inspect } from 'node:util'

const shown = '(secret)'

export class SecretText {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The text itself: for whoever sends it to where it belongs. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return shown
  }

  toJSON(): string {
    return shown
  }

  [inspect.custom](): string {
    return shown
  }
}
