/** What this runtime needs of onnxruntime-node, without its types: those of the package's door must hold where it is not installed. */
import type { FixedDataType, TensorData } from '../../src/runtime/index.ts'

/** What both ways take as a tensor and give back. */
export interface NativeTensor {
  readonly type: string
  readonly data: TensorData[FixedDataType] | readonly string[]
  readonly dims: readonly number[]
  readonly location: 'cpu'
}

/** An input or output. `shape` has a name ('' without one) where a dimension is free. */
export interface NativeValue {
  readonly name: string
  readonly isTensor: boolean
  /** TensorProto.DataType; 0 where it is no tensor. */
  readonly elementType: number
  readonly shape: readonly (number | string)[]
}

export type Feeds = Record<string, NativeTensor>
export type Results = Readonly<Record<string, NativeTensor>>

export interface NativeSession {
  readonly inputs: readonly NativeValue[]
  readonly outputs: readonly NativeValue[]
  /** Milliseconds that opening the file took, the library not included. */
  readonly openMs: number
  /** Synchronous over the binding. `fetches` names the outputs to compute. */
  run(feeds: Feeds, fetches: Readonly<Record<string, null>>): Results | Promise<Results>
  close(): Promise<void>
}

/** SessionOptions of onnxruntime-common. */
export type NativeOptions = Readonly<Record<string, unknown>>
