/** Tensors as little-endian bytes and back, written apart from `src/` so that both are tested. */
import type { DataType } from '../../src/core/tensor.ts'
import type { Element, NeutralTensor } from './neutral.ts'

interface Fixed {
  readonly width: number
  readonly write: (view: DataView, offset: number, value: Element) => void
  readonly read: (view: DataView, offset: number) => Element
}

const number = (value: Element): number => Number(value)
const integer = (value: Element): bigint => BigInt(value as number | bigint) // the cases give whole numbers here

const fixed: Readonly<Record<Exclude<DataType, 'BYTES'>, Fixed>> = {
  BOOL: {
    width: 1,
    write: (view, at, value) => view.setUint8(at, value === true ? 1 : 0),
    read: (view, at) => view.getUint8(at) === 1,
  },
  UINT8: { width: 1, write: (view, at, v) => view.setUint8(at, number(v)), read: (view, at) => view.getUint8(at) },
  INT8: { width: 1, write: (view, at, v) => view.setInt8(at, number(v)), read: (view, at) => view.getInt8(at) },
  UINT16: words(),
  FP16: words(),
  BF16: words(),
  INT16: {
    width: 2,
    write: (view, at, value) => view.setInt16(at, number(value), true),
    read: (view, at) => view.getInt16(at, true),
  },
  UINT32: {
    width: 4,
    write: (view, at, value) => view.setUint32(at, number(value), true),
    read: (view, at) => view.getUint32(at, true),
  },
  INT32: {
    width: 4,
    write: (view, at, value) => view.setInt32(at, number(value), true),
    read: (view, at) => view.getInt32(at, true),
  },
  FP32: {
    width: 4,
    write: (view, at, value) => view.setFloat32(at, number(value), true),
    read: (view, at) => view.getFloat32(at, true),
  },
  FP64: {
    width: 8,
    write: (view, at, value) => view.setFloat64(at, number(value), true),
    read: (view, at) => view.getFloat64(at, true),
  },
  UINT64: {
    width: 8,
    write: (view, at, value) => view.setBigUint64(at, integer(value), true),
    read: (view, at) => view.getBigUint64(at, true),
  },
  INT64: {
    width: 8,
    write: (view, at, value) => view.setBigInt64(at, integer(value), true),
    read: (view, at) => view.getBigInt64(at, true),
  },
}

function words(): Fixed {
  return {
    width: 2,
    write: (view, at, value) => view.setUint16(at, number(value), true),
    read: (view, at) => view.getUint16(at, true),
  }
}

/** An element of BYTES as bytes. */
export function octets(element: Element): Buffer {
  if (typeof element === 'object') return Buffer.from(element.hex, 'hex')
  return Buffer.from(String(element))
}

/** Bytes as an element of BYTES: text where they are text. */
export function elementOf(bytes: Uint8Array): Element {
  const buffer = Buffer.from(bytes)
  const text = buffer.toString()
  return Buffer.from(text).equals(buffer) ? text : { hex: buffer.toString('hex') }
}

/** The elements one after the other; those of BYTES each behind a length of four bytes. */
export function pack({ datatype, data }: Pick<NeutralTensor, 'datatype' | 'data'>): Buffer {
  if (datatype === 'BYTES') {
    return Buffer.concat(
      data.flatMap((element) => {
        const length = Buffer.alloc(4)
        length.writeUInt32LE(octets(element).length)
        return [length, octets(element)]
      }),
    )
  }
  const { width, write } = fixed[datatype]
  const bytes = Buffer.alloc(width * data.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  data.forEach((element, index) => write(view, index * width, element))
  return bytes
}

/** The elements that {@link pack} packed. */
export function unpack(datatype: DataType, bytes: Uint8Array): Element[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const elements: Element[] = []
  if (datatype === 'BYTES') {
    for (let at = 0; at < bytes.length;) {
      const length = view.getUint32(at, true)
      elements.push(elementOf(bytes.subarray(at + 4, at + 4 + length)))
      at += 4 + length
    }
    return elements
  }
  const { width, read } = fixed[datatype]
  for (let at = 0; at < bytes.length; at += width) elements.push(read(view, at))
  return elements
}
