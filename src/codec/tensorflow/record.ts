/** TFRecord files: a length, its checksum, the bytes, their checksum, and again. */
import { InferenceError } from '../../core/errors.ts'

/** Length (64 bits) and its checksum before a record, the checksum of its bytes after it. */
const headerBytes = 12
const trailerBytes = 4

/**
 * The records of a file, as views on it.
 *
 * @param most records; one more is an error
 * @throws InferenceError `invalid_argument` naming the record, counted from 1
 */
export function readRecords(file: Uint8Array, most: number): readonly Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const records: Uint8Array[] = []
  let offset = 0
  while (offset < file.byteLength) {
    const fail = (what: string): InferenceError =>
      new InferenceError('invalid_argument', `record ${records.length + 1}: ${what}`)
    if (records.length === most) throw fail(`there are more than ${most} records`)
    const left = file.byteLength - offset
    if (left < headerBytes + trailerBytes) throw fail('the file ends inside it')
    const length = view.getBigUint64(offset, true)
    if (view.getUint32(offset + 8, true) !== maskedChecksum(file.subarray(offset, offset + 8))) {
      throw fail('the checksum of its length is wrong: this is no TFRecord file, or a damaged one')
    }
    if (length > BigInt(left - headerBytes - trailerBytes)) throw fail('the file ends inside it')
    const start = offset + headerBytes
    const end = start + Number(length)
    const record = file.subarray(start, end)
    if (view.getUint32(end, true) !== maskedChecksum(record)) throw fail('the checksum of its bytes is wrong')
    records.push(record)
    offset = end + trailerBytes
  }
  return records
}

/** A file of records, for tests and tools. */
export function writeRecords(records: readonly Uint8Array[]): Uint8Array {
  const parts = records.flatMap((record) => {
    const length = new Uint8Array(8)
    new DataView(length.buffer).setBigUint64(0, BigInt(record.byteLength), true)
    return [length, checksumBytes(length), record, checksumBytes(record)]
  })
  return Buffer.concat(parts)
}

function checksumBytes(bytes: Uint8Array): Uint8Array {
  const checksum = new Uint8Array(4)
  new DataView(checksum.buffer).setUint32(0, maskedChecksum(bytes), true)
  return checksum
}

/** Rotated and shifted: the checksum of bytes that hold checksums is then no special value. */
function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes)
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0
}

/** By byte what it adds to a CRC-32C: Castagnoli's polynomial, its bits reversed. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0x82f63b78 : rest >>> 1
  return rest
})

function crc32c(bytes: Uint8Array): number {
  let checksum = 0xffffffff
  for (const byte of bytes) checksum = (table[(checksum ^ byte) & 0xff] ?? 0) ^ (checksum >>> 8)
  return (checksum ^ 0xffffffff) >>> 0
}
