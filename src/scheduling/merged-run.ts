/** Requests that share a run: aborted when all callers are gone, taken apart where it fails. */
import type { ErrorCode } from '../core/errors.ts'
import { InferenceError } from '../core/errors.ts'
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import { join, split } from './batch.ts'
import { giveBackController, takeController } from './spare-controllers.ts'
import type { Waiting } from './waiting.ts'

export type Predict = (batch: Batch, signal: AbortSignal) => Promise<readonly Tensor[]>

/** What these say is no fault of a request: another run of it would end the same. Nor is a crash tried again. */
const sharedFates: readonly ErrorCode[] = ['unavailable', 'cancelled', 'deadline_exceeded', 'resource_exhausted']

export class MergedRun {
  readonly members: readonly Waiting[]
  readonly rows: number
  readonly #spare = takeController()
  #callers: number

  constructor(members: readonly Waiting[], rows: number) {
    this.members = members
    this.rows = rows
    this.#callers = members.length
    for (const member of members) member.run = this
  }

  get hasEnded(): boolean {
    return this.#callers === 0
  }

  /** Runs all members at once. */
  predict(predict: Predict): Promise<readonly Tensor[]> {
    return predict(join(this.members.map(batchOf), this.rows), this.#spare.controller.signal)
  }

  /**
   * @returns the outputs of each member
   * @throws InferenceError `internal` where the rows of the outputs are not those of the inputs
   */
  split(outputs: readonly Tensor[]): readonly (readonly Tensor[])[] {
    return split(outputs, this.members.map(rowsOf))
  }

  answer(parts: readonly (readonly Tensor[])[]): void {
    this.#callers = 0
    giveBackController(this.#spare) // nobody who leaves from here on counts
    for (let index = 0; index < this.members.length; index += 1) this.members[index]?.resolve(parts[index] ?? [])
  }

  /** A caller is gone. The others do not notice; with the last one the run is aborted. */
  leave(reason: unknown): void {
    this.#callers -= 1
    if (this.#callers === 0) this.#spare.controller.abort(reason)
  }

  /** False where the members fail for a reason that is no fault of any of them. */
  isDivisible(reason: unknown): boolean {
    const { code, isFatal } = InferenceError.from(reason)
    return !isFatal && !sharedFates.includes(code)
  }

  /**
   * Finds out which members made the run fail: halves are run again, and halves of those that fail, one after the other.
   *
   * @returns how many members failed, or were gone before it could be found out
   */
  async isolate(reason: unknown, predict: Predict): Promise<number> {
    const failed = await this.#apart(this.members, reason, predict)
    this.#callers = 0
    return failed
  }

  /** Runs every member on its own, one after the other. */
  async singly(predict: Predict): Promise<void> {
    for (const member of this.members) if (member.state === 'running') await alone(member, predict)
    this.#callers = 0
  }

  async #apart(members: readonly Waiting[], reason: unknown, predict: Predict): Promise<number> {
    const error = InferenceError.from(reason)
    if (!this.isDivisible(error)) {
      for (const member of members) member.reject(copyOf(error))
      return members.length
    }
    const middle = Math.ceil(members.length / 2)
    const failed = await this.#part(members.slice(0, middle), predict)
    return failed + (await this.#part(members.slice(middle), predict))
  }

  async #part(members: readonly Waiting[], predict: Predict): Promise<number> {
    const present = members.filter(({ state }) => state === 'running')
    const gone = members.length - present.length
    const [first] = present
    if (first === undefined) return gone
    if (present.length === 1) return gone + (await alone(first, predict))
    try {
      const rows = present.map(rowsOf)
      const total = rows.reduce((sum, count) => sum + count, 0)
      const parts = split(await predict(join(present.map(batchOf), total), this.#spare.controller.signal), rows)
      present.forEach((member, index) => member.resolve(parts[index] ?? []))
      return gone
    } catch (reason) {
      return gone + (await this.#apart(present, reason, predict))
    }
  }
}

/** @returns 1 where it failed */
async function alone(member: Waiting, predict: Predict): Promise<number> {
  try {
    member.resolve(await predict(member.batch, member.signal))
    return 0
  } catch (reason) {
    member.reject(reason)
    return 1
  }
}

/** Each caller has an error of its own: what one does with it does not show to the others. */
function copyOf(error: InferenceError): InferenceError {
  const { code, message, retryAfterMs, isFatal } = error
  return new InferenceError(code, message, {
    cause: error,
    isFatal,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

function batchOf({ batch }: Waiting): Batch {
  return batch
}

function rowsOf({ rows }: Waiting): number {
  return rows
}
