/** Features of examples (`tf.Example`, V1 `examples`) as the input tensors of a model: one row per example. */
import { InferenceError } from '../core/errors.ts'
import type { TensorMetadata } from '../core/model.ts'
import { allocate, elementCount, tensor } from '../core/tensor.ts'
import type { DataType, Tensor } from '../core/tensor.ts'

/** The values of one feature, in one of the three kinds that `tf.Example` has. */
export type Feature =
  | { readonly kind: 'bytes'; readonly values: readonly Uint8Array[] }
  | { readonly kind: 'float'; readonly values: ArrayLike<number> }
  | { readonly kind: 'int64'; readonly values: ArrayLike<bigint> }

/** One example: its features by name. */
export type Features = ReadonlyMap<string, Feature>

/** Most elements of all inputs together: every example repeats the values of the context. */
const maxElements = 16 * 1024 * 1024
/** Most examples: two bytes on the wire make one. */
const maxRows = 1024 * 1024

/** Takes examples one by one and makes them the inputs of a model. */
export class ExampleColumns {
  readonly #context: Features
  readonly #expected: readonly TensorMetadata[]
  #columns: readonly Column[] | undefined
  #rows = 0
  #elements = 0

  /**
   * @param expected inputs of the model; where empty, what the first example has: floats FP32, integers INT64, bytes BYTES
   * @param context features that every example has that does not bring its own
   */
  constructor(expected: readonly TensorMetadata[], context: Features = new Map()) {
    this.#expected = expected
    this.#context = context
  }

  /** Examples so far. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Adds one row. Features that no input has are ignored, as TensorFlow's parser does.
   *
   * @throws InferenceError `invalid_argument` in TensorFlow's words where a feature is missing, or does not fit its input
   */
  add(example: Features): void {
    if (this.#rows === maxRows) throw invalid(`there are more than ${maxRows} examples`)
    this.#columns ??= columnsFor(this.#expected, new Map([...this.#context, ...example]))
    for (const column of this.#columns) {
      const feature = example.get(column.name) ?? this.#context.get(column.name)
      this.#elements += feature?.values.length ?? 0
      if (this.#elements > maxElements) throw invalid(`the examples hold more than ${maxElements} values`)
      column.add(feature, this.#rows)
    }
    this.#rows += 1
  }

  /** @throws InferenceError `invalid_argument` where there is no example, in TF Serving's words */
  finish(): readonly Tensor[] {
    if (this.#rows === 0) throw invalid('Input is empty.')
    return (this.#columns ?? []).flatMap((column) => column.finish(this.#rows))
  }
}

function columnsFor(expected: readonly TensorMetadata[], first: Features): readonly Column[] {
  if (expected.length > 0) return expected.map((metadata) => new Column(metadata))
  return Array.from(first, ([name, { kind }]) => {
    const datatype = kind === 'bytes' ? 'BYTES' : kind === 'float' ? 'FP32' : 'INT64'
    return new Column({ name, datatype, shape: [-1], isAnyRank: true })
  })
}

/** One input under way. */
class Column {
  readonly name: string
  readonly #metadata: TensorMetadata
  readonly #rows: Feature['values'][] = []
  /** Values of each row, once the first is known. */
  #width: number | undefined

  constructor(metadata: TensorMetadata) {
    this.name = metadata.name
    this.#metadata = metadata
  }

  add(feature: Feature | undefined, row: number): void {
    const { name, datatype, isOptional } = this.#metadata
    const where = `examples[${row}]: `
    if (feature === undefined) {
      if (isOptional === true && this.#rows.length === 0) return
      throw invalid(`${where}Feature: ${name} (data type: ${kindOf(datatype)}) is required but could not be found.`)
    }
    if (this.#rows.length < row) {
      throw invalid(`${where}Feature: ${name} must be in every example or in none, examples[0] lacks it.`)
    }
    if (datatype === 'FP16' || datatype === 'BF16') {
      throw invalid(`input '${name}' takes ${datatype}, which no feature can hold: use Predict`)
    }
    if (!takes(datatype, feature)) {
      throw invalid(
        `${where}Key: ${name}. Data types don't match. Expected type: ${kindOf(datatype)}, got: ${feature.kind}`,
      )
    }
    this.#checkWidth(feature.values.length, where)
    this.#rows.push(feature.values)
  }

  #checkWidth(given: number, where: string): void {
    const trailing = this.#metadata.shape.slice(1)
    const fixed = elementCount(trailing.filter((dimension) => dimension !== -1))
    const isFree = this.#metadata.isAnyRank === true || trailing.includes(-1)
    if (this.#width === undefined && isFree && given % fixed === 0) this.#width = given
    const expected = this.#width ?? fixed
    if (given !== expected) {
      throw invalid(
        `${where}Key: ${this.name}. Number of ${kindOf(this.#metadata.datatype)} values != expected. ` +
          `Values size: ${given} but output shape: [${trailing.join(',')}], which takes ${expected}`,
      )
    }
  }

  /** @returns nothing where the feature is optional and was never sent */
  finish(rows: number): readonly Tensor[] {
    if (this.#rows.length === 0) return []
    const { name, datatype } = this.#metadata
    const shape = [rows, ...this.#trailing()]
    if (datatype === 'BYTES') return [tensor(name, datatype, shape, this.#rows.flatMap(bytesOf))]
    const data = allocate(datatype, elementCount(shape))
    let offset = 0
    for (const [row, values] of this.#rows.entries()) {
      for (let index = 0; index < values.length; index += 1) {
        const value = toElement(values[index] ?? 0, datatype)
        data[offset] = value
        // What the array holds now differs where the value is out of its range; floats may lose digits.
        const isRounded = data[offset] !== value || (datatype === 'BOOL' && value > 1)
        if (!isFloat(datatype) && isRounded) {
          throw invalid(`examples[${row}]: Key: ${name}. Value ${value} is out of the range of ${datatype}`)
        }
        offset += 1
      }
    }
    return [tensor(name, datatype, shape, data as never)] // allocated for this datatype
  }

  /** The dimensions of one row: the first free one takes what the fixed ones leave. */
  #trailing(): readonly number[] {
    const width = this.#width ?? 1
    if (this.#metadata.isAnyRank === true) return [width]
    const declared = this.#metadata.shape.slice(1)
    const fixed = elementCount(declared.filter((dimension) => dimension !== -1))
    const free = declared.indexOf(-1)
    return declared.map((dimension, axis) =>
      dimension !== -1 ? dimension : axis === free && fixed > 0 ? width / fixed : fixed > 0 ? 1 : 0,
    )
  }
}

function bytesOf(values: Feature['values']): readonly Uint8Array[] {
  return values as readonly Uint8Array[] // a BYTES column takes no other kind
}

function isFloat(datatype: DataType): boolean {
  return datatype === 'FP32' || datatype === 'FP64'
}

/** The kind that TensorFlow would parse for a datatype. */
function kindOf(datatype: DataType): string {
  if (datatype === 'BYTES') return 'string'
  return isFloat(datatype) || datatype === 'FP16' || datatype === 'BF16' ? 'float' : 'int64'
}

/** Integers pass for floats: JSON writes 80 where 80.0 is meant. */
function takes(datatype: DataType, { kind }: Feature): boolean {
  if (kind === 'bytes') return datatype === 'BYTES'
  if (kind === 'float') return isFloat(datatype)
  return datatype !== 'BYTES'
}

function toElement(value: number | bigint | Uint8Array, datatype: DataType): number | bigint {
  if (typeof value === 'object') return 0 // a BYTES column ends elsewhere
  return datatype === 'INT64' || datatype === 'UINT64' ? BigInt(value) : Number(value)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
