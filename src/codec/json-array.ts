/** Reads JSON arrays of one datatype, nested or flat, straight into the array that a tensor holds. */
import type { InferenceError } from '../core/errors.ts'
import type { TensorData } from '../core/tensor.ts'
import { createElements, finishElements, growElements, readElements } from './json-elements.ts'
import type { Elements, JsonDataType } from './json-elements.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'

/** How a protocol complains about data. Each returns the error to throw. */
export interface ArrayComplaints {
  /** The value at the reader's position is not of the datatype. */
  element(reader: JsonReader, index: number): InferenceError
  /** Arrays of one level hold different numbers of elements. */
  size(expected: number, got: number): InferenceError
  /** Elements are nested differently. */
  shape(expected: readonly number[], got: readonly number[]): InferenceError
  /** More levels of nesting than `deepest`. */
  tooDeep(deepest: number): InferenceError
  /** More elements than the capacity. */
  tooMany(): InferenceError
}

/** Deeper data is refused; no tensor has so many dimensions. */
export const deepestData = 100

/** Collects the elements of one tensor, from one or several places in a document, and finds out their shape. */
export class ArrayReader {
  readonly #reader: JsonReader
  readonly #complaints: ArrayComplaints
  readonly #elements: Elements
  readonly #isFixed: boolean
  #capacity: number
  /** Level of the elements themselves; -1 as long as only empty arrays have been seen. */
  #rank = -1
  /** Elements read so far. */
  length = 0
  /** Per level of nesting the number of elements; -1 while the first array of a level is open. */
  readonly shape: number[] = []

  /** @param count how many elements there must be at most; as many as come where undefined */
  constructor(reader: JsonReader, datatype: JsonDataType, complaints: ArrayComplaints, count: number | undefined) {
    this.#reader = reader
    this.#complaints = complaints
    this.#isFixed = count !== undefined
    this.#capacity = count ?? 16
    this.#elements = createElements(datatype, this.#capacity)
  }

  /**
   * Reads the value at the position: an element, or an array of any depth.
   *
   * @param axis the level it stands on: 0, or 1 where the caller counts the first dimension itself
   * @throws InferenceError `invalid_argument` in the words of the protocol
   */
  read(axis: number): void {
    const reader = this.#reader
    if (reader.peek() !== ascii.openBracket) {
      this.#enterElements(axis)
      this.#readRun(this.length + 1)
      return
    }
    if (axis === this.#rank) throw this.#complaints.shape([], [-1])
    if (axis >= deepestData) throw this.#complaints.tooDeep(deepestData)
    if (axis === this.shape.length) this.shape.push(-1)
    const count = this.#readArray(axis)
    const expected = this.shape[axis] ?? -1
    if (expected === -1) this.shape[axis] = count
    else if (expected !== count) throw this.#complaints.size(expected, count)
  }

  /** @returns the number of elements, arrays or not, of the array at the position */
  #readArray(axis: number): number {
    const reader = this.#reader
    if (!reader.openArray()) return 0
    if (reader.peek() !== ascii.openBracket) {
      const start = this.length
      this.#enterElements(axis + 1)
      while (this.#readRun(Infinity)) reader.pos += 1
      reader.nextElement()
      return this.length - start
    }
    let count = 0
    do {
      if (reader.peek() !== ascii.openBracket) throw this.#complaints.shape(this.shape.slice(axis + 1), [])
      this.read(axis + 1)
      count += 1
    } while (reader.nextElement())
    return count
  }

  /** The elements read. */
  finish(): TensorData[JsonDataType] {
    return finishElements(this.#elements, this.length)
  }

  /** Elements stand on one level, the same everywhere. */
  #enterElements(axis: number): void {
    if (this.#rank === -1 && axis === this.shape.length) this.#rank = axis
    else if (this.#rank !== axis) throw this.#complaints.shape(this.shape.slice(axis), [])
  }

  /** Reads elements as far as there is room. @returns true at a comma */
  #readRun(end: number): boolean {
    const reader = this.#reader
    if (this.length === this.#capacity) this.#grow()
    const index = readElements(reader, this.#elements, this.length, Math.min(end, this.#capacity))
    if (index < 0) {
      throw reader.peek() === ascii.openBracket
        ? this.#complaints.shape([], [-1])
        : this.#complaints.element(reader, ~index)
    }
    this.length = index
    return reader.peek() === ascii.comma
  }

  #grow(): void {
    if (this.#isFixed) throw this.#complaints.tooMany()
    this.#capacity *= 2
    growElements(this.#elements, this.#capacity)
  }
}
