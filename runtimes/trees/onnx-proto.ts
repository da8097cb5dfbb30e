/** The messages of onnx.proto that a tree graph needs: field numbers from onnx/onnx.proto3. Written backwards, as ProtoWriter does. */
import { ProtoWriter } from '../../src/codec/index.ts'

/** TensorProto.DataType. */
export const elementTypes = { FP32: 1, INT64: 7, FP64: 11 } as const
export type ElementType = keyof typeof elementTypes

/** An initializer, or the value of an attribute. */
export interface TensorValue {
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly values: readonly number[] }
  | { readonly kind: 'floats'; readonly values: readonly number[] }
  | { readonly kind: 'strings'; readonly values: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: TensorValue }

export interface OnnxNode {
  readonly operator: string
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>>
}

export interface OnnxValue {
  readonly name: string
  readonly type: ElementType
  /** A name where the dimension is free. */
  readonly shape: readonly (number | string)[]
}

export interface OnnxGraph {
  readonly name: string
  readonly producer: string
  readonly opsets: Readonly<Record<string, number>>
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  readonly initializers: Readonly<Record<string, TensorValue>>
  readonly nodes: readonly OnnxNode[]
}

/** Read by onnxruntime since 1.11. */
const irVersion = 8
/** AttributeProto.type. */
const attributeTypes = { int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const

/** A ModelProto. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  const writer = new ProtoWriter(65_536)
  for (const [domain, version] of Object.entries(graph.opsets)) {
    embedded(writer, 8, () => {
      integerField(writer, 2, version)
      writer.optionalString(1, domain)
    })
  }
  embedded(writer, 7, () => writeGraph(writer, graph))
  writer.string(2, graph.producer)
  integerField(writer, 1, irVersion)
  return writer.finish()
}

function writeGraph(writer: ProtoWriter, graph: OnnxGraph): void {
  for (const value of graph.outputs.toReversed()) embedded(writer, 12, () => writeValue(writer, value))
  for (const value of graph.inputs.toReversed()) embedded(writer, 11, () => writeValue(writer, value))
  for (const [name, value] of Object.entries(graph.initializers)) {
    embedded(writer, 5, () => writeTensor(writer, value, name))
  }
  writer.string(2, graph.name)
  for (const node of graph.nodes.toReversed()) embedded(writer, 1, () => writeNode(writer, node))
}

function writeNode(writer: ProtoWriter, { operator, domain, inputs, outputs, attributes = {} }: OnnxNode): void {
  writer.optionalString(7, domain)
  for (const [name, attribute] of Object.entries(attributes)) {
    embedded(writer, 5, () => {
      integerField(writer, 20, attributeTypes[attribute.kind])
      writeAttribute(writer, attribute)
      writer.string(1, name)
    })
  }
  writer.string(4, operator)
  for (const name of outputs.toReversed()) writer.string(2, name)
  for (const name of inputs.toReversed()) writer.string(1, name)
}

function writeAttribute(writer: ProtoWriter, attribute: Attribute): void {
  switch (attribute.kind) {
    case 'int':
      integerField(writer, 3, attribute.value)
      return
    case 'string':
      writer.string(4, attribute.value)
      return
    case 'ints':
      packedIntegers(writer, 8, attribute.values)
      return
    case 'floats':
      writer.bytes(7, littleEndian('FP32', attribute.values))
      return
    case 'strings':
      for (let index = attribute.values.length - 1; index >= 0; index -= 1) {
        writer.string(9, attribute.values[index] ?? '')
      }
      return
    case 'tensor':
      embedded(writer, 5, () => writeTensor(writer, attribute.value))
  }
}

function writeTensor(writer: ProtoWriter, { type, shape, values }: TensorValue, name?: string): void {
  writer.bytes(9, littleEndian(type, values))
  writer.optionalString(8, name)
  integerField(writer, 2, elementTypes[type])
  packedIntegers(writer, 1, shape)
}

function writeValue(writer: ProtoWriter, { name, type, shape }: OnnxValue): void {
  embedded(writer, 2, () =>
    embedded(writer, 1, () => {
      embedded(writer, 2, () => {
        for (const dimension of shape.toReversed()) {
          embedded(writer, 1, () => {
            if (typeof dimension === 'number') integerField(writer, 1, dimension)
            else writer.string(2, dimension)
          })
        }
      })
      integerField(writer, 1, elementTypes[type])
    }),
  )
  writer.string(1, name)
}

function littleEndian(type: ElementType, values: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * (type === 'FP32' ? 4 : 8))
  for (const [index, value] of values.entries()) {
    if (type === 'FP32') bytes.writeFloatLE(value, index * 4)
    else if (type === 'FP64') bytes.writeDoubleLE(value, index * 8)
    else bytes.writeBigInt64LE(BigInt(value), index * 8)
  }
  return bytes
}

function packedIntegers(writer: ProtoWriter, field: number, values: readonly number[]): void {
  embedded(writer, field, () => {
    for (let index = values.length - 1; index >= 0; index -= 1) writer.integer(values[index] ?? 0)
  })
}

function integerField(writer: ProtoWriter, field: number, value: number): void {
  writer.integer(value)
  writer.tag(field, 0)
}

function embedded(writer: ProtoWriter, field: number, write: () => void): void {
  const mark = writer.length
  write()
  writer.embed(field, mark)
}
