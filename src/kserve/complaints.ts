/** What is wrong, and what is odd, in manifests: collected, so that one run tells all of it. */
import { InferenceError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { SpecPath } from '../graph/index.ts'
import { nameOf, type Where } from './place.ts'

/** Errors in one message. */
const mostTold = 20

export class Complaints {
  readonly errors: string[] = []
  readonly warnings: string[] = []

  /** @throws InferenceError `invalid_argument` with every error, one in a line, where there is any */
  throwErrors(): void {
    if (this.errors.length === 0) return
    const more = this.errors.length > mostTold ? [`and ${this.errors.length - mostTold} more errors`] : []
    throw new InferenceError('invalid_argument', [...this.errors.slice(0, mostTold), ...more].join('\n'))
  }

  /** Complaints about one document. */
  of(where: Where): DocumentComplaints {
    return new DocumentComplaints(this, where)
  }
}

/** Complaints about one document, by the path of what they are about: `isvc.yaml:12: spec.predictor.model: …`. */
export class DocumentComplaints {
  readonly #all: Complaints
  readonly where: Where

  constructor(all: Complaints, where: Where) {
    this.#all = all
    this.where = where
  }

  error(path: SpecPath, message: string): void {
    this.#all.errors.push(this.#told(path, message))
  }

  warn(path: SpecPath, message: string): void {
    this.#all.warnings.push(this.#told(path, message))
  }

  /** Errors that tell their places themselves. */
  add(messages: string): void {
    this.#all.errors.push(messages)
  }

  /**
   * A field that is none of those there are: a slip of the pen is an error, as kubectl has it; what nothing resembles may be
   * newer than this program.
   */
  unknown(path: SpecPath, known: readonly string[]): void {
    const meant = nearest(String(path.at(-1) ?? ''), known)
    if (meant === undefined) this.warn(path, 'unknown field, it is left alone')
    else this.error(path, `unknown field: did you mean '${meant}'?`)
  }

  #told(path: SpecPath, message: string): string {
    const name = nameOf(path)
    return `${this.where(path)}: ${name === '' ? '' : `${name}: `}${message}`
  }
}
