/** The parts of onnx.proto that are read: field numbers from onnx/onnx.proto3 of ONNX 1.12 to 1.19. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { GraphValue, ModelProto } from './model-file.ts'
import { WireReader } from './wire-reader.ts'
import type { Field, ReadAt } from './wire-reader.ts'

/** Subgraphs of If, Loop and Scan nest; a deeper file is hostile. */
const deepestNesting = 32
/** TensorProto.data_location: EXTERNAL. */
const external = 1

/**
 * Reads a ModelProto and skips every tensor's elements.
 * @throws InferenceError `failed_precondition` where the bytes are no protobuf
 */
export function readModel(read: ReadAt, size: number): ModelProto {
  const model: ModelProto = {
    irVersion: 0,
    producer: '',
    producerVersion: '',
    opsets: {},
    inputs: [],
    outputs: [],
    initializers: [],
    operators: {},
    externalLocations: [],
    metadata: {},
    hasGraph: false,
  }
  const reader = new WireReader(read, size)
  eachField(reader, size, (field) => readModelField(reader, field, size, model))
  return model
}

function readModelField(reader: WireReader, field: Field, end: number, model: ModelProto): boolean {
  switch (field.number) {
    case 1:
      model.irVersion = reader.int64(end)
      return true
    case 2:
      model.producer = reader.text(field)
      return true
    case 3:
      model.producerVersion = reader.text(field)
      return true
    case 7:
      model.hasGraph = true
      readGraph(reader, reader.message(field), model, 0)
      return true
    case 8:
      readOpset(reader, reader.message(field), model)
      return true
    case 14: {
      const [key, value] = readPair(reader, reader.message(field))
      model.metadata[key] = value
      return true
    }
    default:
      return false
  }
}

function readOpset(reader: WireReader, end: number, model: ModelProto): void {
  let domain = ''
  let version = 0
  eachField(reader, end, (field) => {
    if (field.number === 1) domain = reader.text(field)
    else if (field.number === 2) version = reader.int64(end)
    else return false
    return true
  })
  model.opsets[domain === 'ai.onnx' ? '' : domain] = version
}

function readGraph(reader: WireReader, end: number, model: ModelProto, depth: number): void {
  if (depth > deepestNesting) throw bad(`graphs nested deeper than ${deepestNesting}`)
  eachField(reader, end, (field) => {
    switch (field.number) {
      case 1:
        readNode(reader, reader.message(field), model, depth)
        return true
      case 5: {
        const name = readTensor(reader, reader.message(field), model)
        if (depth === 0) model.initializers.push(name)
        return true
      }
      case 11:
        if (depth > 0) return false
        model.inputs.push(readValue(reader, reader.message(field)))
        return true
      case 12:
        if (depth > 0) return false
        model.outputs.push(readValue(reader, reader.message(field)))
        return true
      default:
        return false
    }
  })
}

function readNode(reader: WireReader, end: number, model: ModelProto, depth: number): void {
  eachField(reader, end, (field) => {
    if (field.number === 4) {
      const operator = reader.text(field)
      model.operators[operator] = (model.operators[operator] ?? 0) + 1
      return true
    }
    if (field.number !== 5) return false
    readAttribute(reader, reader.message(field), model, depth)
    return true
  })
}

/** Only tensors and graphs in attributes matter: constants may lie in external files, subgraphs hold nodes. */
function readAttribute(reader: WireReader, end: number, model: ModelProto, depth: number): void {
  eachField(reader, end, (field) => {
    if (field.number === 5 || field.number === 10) readTensor(reader, reader.message(field), model)
    else if (field.number === 6 || field.number === 11) readGraph(reader, reader.message(field), model, depth + 1)
    else return false
    return true
  })
}

/** @returns its name */
function readTensor(reader: WireReader, end: number, model: ModelProto): string {
  let name = ''
  let location = ''
  let dataLocation = 0
  eachField(reader, end, (field) => {
    if (field.number === 8) name = reader.text(field)
    else if (field.number === 14) dataLocation = reader.varint(end)
    else if (field.number === 13) {
      const [key, value] = readPair(reader, reader.message(field))
      if (key === 'location') location = value
    } else return false
    return true
  })
  if (dataLocation === external && !model.externalLocations.includes(location)) model.externalLocations.push(location)
  return name
}

/** ValueInfoProto. */
function readValue(reader: WireReader, end: number): GraphValue {
  let name = ''
  let type: Omit<GraphValue, 'name'> = { elementType: 0 }
  eachField(reader, end, (field) => {
    if (field.number === 1) name = reader.text(field)
    else if (field.number === 2) type = readType(reader, reader.message(field))
    else return false
    return true
  })
  return { name, ...type }
}

/** TypeProto; its field 1 is tensor_type, the others are sequence, map, optional and sparse tensor. */
function readType(reader: WireReader, end: number): Omit<GraphValue, 'name'> {
  let type: Omit<GraphValue, 'name'> = { elementType: 0 }
  eachField(reader, end, (field) => {
    if (field.number !== 1) return false
    type = readTensorType(reader, reader.message(field))
    return true
  })
  return type
}

function readTensorType(reader: WireReader, end: number): Omit<GraphValue, 'name'> {
  let elementType = 0
  let dimensions: (number | string)[] | undefined
  eachField(reader, end, (field) => {
    if (field.number === 1) elementType = reader.varint(end)
    else if (field.number === 2) {
      const shape: (number | string)[] = []
      const shapeEnd = reader.message(field)
      eachField(reader, shapeEnd, (dimension) => {
        if (dimension.number !== 1) return false
        shape.push(readDimension(reader, reader.message(dimension)))
        return true
      })
      dimensions = shape
    } else return false
    return true
  })
  return dimensions === undefined ? { elementType } : { elementType, dimensions }
}

/** A size, a name, or '' where the file says neither; old converters write -1 for a free dimension. */
function readDimension(reader: WireReader, end: number): number | string {
  let dimension: number | string = ''
  eachField(reader, end, (field) => {
    if (field.number === 1) {
      const size = reader.int64(end)
      dimension = size < 0 ? '' : size
    } else if (field.number === 2) dimension = reader.text(field)
    else return false
    return true
  })
  return dimension
}

/** StringStringEntryProto. */
function readPair(reader: WireReader, end: number): [string, string] {
  let key = ''
  let value = ''
  eachField(reader, end, (field) => {
    if (field.number === 1) key = reader.text(field)
    else if (field.number === 2) value = reader.text(field)
    else return false
    return true
  })
  return [key, value]
}

/** Calls `take` for each field of a message; what it does not take is skipped. */
function eachField(reader: WireReader, end: number, take: (field: Field) => boolean): void {
  for (let field = reader.next(end); field !== undefined; field = reader.next(end)) {
    if (!take(field)) reader.skip(field, end)
  }
  if (reader.position !== end) throw bad(`a message that ends at byte ${reader.position} instead of ${end}`)
}

function bad(what: string): InferenceError {
  return new InferenceError('failed_precondition', `the file is no ONNX model (protobuf): ${what}`)
}
