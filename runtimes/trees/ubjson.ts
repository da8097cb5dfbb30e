/** Universal Binary JSON (ubjson.org), as XGBoost writes `.ubj`: containers with types and counts, numbers big-endian. */
import { refused } from './refused.ts'

/** Nothing that XGBoost writes nests deeper than a handful. */
const deepestNesting = 64

type TypedArray = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array

/** Bytes per element, and a reader, of the numbers that may stand in a list without a marker each. */
const numberTypes: Readonly<Record<string, { readonly bytes: number; readonly make: (length: number) => TypedArray }>> =
  {
    i: { bytes: 1, make: (length) => new Int8Array(length) },
    U: { bytes: 1, make: (length) => new Uint8Array(length) },
    I: { bytes: 2, make: (length) => new Int16Array(length) },
    l: { bytes: 4, make: (length) => new Int32Array(length) },
    d: { bytes: 4, make: (length) => new Float32Array(length) },
    D: { bytes: 8, make: (length) => new Float64Array(length) },
    L: { bytes: 8, make: (length) => new Float64Array(length) },
  }

/**
 * Lists of numbers come back as typed arrays, everything else as `JSON.parse` gives it. 64-bit integers lose what is beyond 2^53.
 *
 * @throws InferenceError `failed_precondition` where the bytes are no UBJSON, or end too early
 */
export function parseUbjson(bytes: Uint8Array): unknown {
  return new UbjsonReader(bytes).document()
}

class UbjsonReader {
  readonly #view: DataView
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  document(): unknown {
    return this.#value(this.#marker(), 0)
  }

  #value(type: string, depth: number): unknown {
    if (depth > deepestNesting) throw refused(`it nests deeper than ${deepestNesting} levels`)
    switch (type) {
      case '{':
        return this.#object(depth + 1)
      case '[':
        return this.#list(depth + 1)
      case 'Z':
        return null
      case 'T':
        return true
      case 'F':
        return false
      case 'S':
      case 'H':
        return this.#text()
      case 'C':
        return String.fromCharCode(this.#number('U'))
      default:
        return this.#number(type)
    }
  }

  #object(depth: number): unknown {
    const { type, count } = this.#header()
    const entries = new Map<string, unknown>()
    for (let index = 0; count === undefined || index < count; index += 1) {
      if (count === undefined && this.#peek() === '}') {
        this.#position += 1
        break
      }
      const name = this.#text()
      entries.set(name, this.#value(type ?? this.#marker(), depth))
    }
    return Object.fromEntries(entries)
  }

  #list(depth: number): unknown {
    const { type, count } = this.#header()
    if (type !== undefined && count !== undefined && numberTypes[type] !== undefined) return this.#numbers(type, count)
    const elements: unknown[] = []
    for (let index = 0; count === undefined || index < count; index += 1) {
      if (count === undefined && this.#peek() === ']') {
        this.#position += 1
        break
      }
      elements.push(this.#value(type ?? this.#marker(), depth))
      // Elements of no bytes (null, true) would let a few bytes ask for any memory.
      if (elements.length > this.#bytes.length) throw this.#damaged('a list longer than the file')
    }
    return elements
  }

  #numbers(type: string, count: number): TypedArray {
    const { bytes = 1, make } = numberTypes[type] ?? {}
    this.#need(count * bytes)
    const elements = make?.(count) ?? new Uint8Array()
    for (let index = 0; index < count; index += 1) elements[index] = this.#number(type)
    return elements
  }

  /** `$` and a type, `#` and a count, each of which may be absent. */
  #header(): { readonly type?: string; readonly count?: number } {
    let type: string | undefined
    if (this.#peek() === '$') {
      this.#position += 1
      type = this.#marker()
    }
    if (this.#peek() === '#') {
      this.#position += 1
      return { ...(type === undefined ? {} : { type }), count: this.#length() }
    }
    if (type !== undefined) throw this.#damaged('a typed list without a count')
    return {}
  }

  #length(): number {
    const length = this.#number(this.#marker())
    if (!Number.isInteger(length) || length < 0) throw this.#damaged(`the length ${length}`)
    return length
  }

  #text(): string {
    // XGBoost puts the marker of a text before the names of an object in no version; before values it was read already.
    const length = this.#length()
    this.#need(length)
    const text = this.#bytes.toString('utf8', this.#position, this.#position + length)
    this.#position += length
    return text
  }

  #number(type: string): number {
    const bytes = numberTypes[type]?.bytes
    if (bytes === undefined) throw this.#damaged(`the type '${type}'`)
    this.#need(bytes)
    const at = this.#position
    this.#position += bytes
    switch (type) {
      case 'i':
        return this.#view.getInt8(at)
      case 'U':
        return this.#view.getUint8(at)
      case 'I':
        return this.#view.getInt16(at)
      case 'l':
        return this.#view.getInt32(at)
      case 'd':
        return this.#view.getFloat32(at)
      case 'D':
        return this.#view.getFloat64(at)
      default:
        return Number(this.#view.getBigInt64(at))
    }
  }

  #marker(): string {
    this.#need(1)
    const marker = this.#peek()
    this.#position += 1
    return marker
  }

  #peek(): string {
    this.#need(1)
    return String.fromCharCode(this.#view.getUint8(this.#position))
  }

  #need(count: number): void {
    if (this.#position + count > this.#bytes.length) {
      throw refused(`it is cut short: ${this.#bytes.length} bytes, more are needed. Copy or download it again`)
    }
  }

  #damaged(what: string): Error {
    return refused(`it is no UBJSON: ${what} at byte ${this.#position}`)
  }
}
