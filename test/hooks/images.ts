/** Pictures for tests: small ones that sharp makes, and hostile ones that nothing makes. */
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'

/** A lossless picture from 8-bit pixels. */
export function picture(
  pixels: readonly number[],
  { channels = 3, width = 2 }: { channels?: 1 | 2 | 3 | 4; width?: number } = {},
) {
  const height = pixels.length / channels / width
  const image = sharp(Uint8Array.from(pixels), { raw: { width, height, channels } })
  return channels < 3 ? image.toColourspace('b-w') : image
}

/** A PNG that says it is so large and holds 100 bytes. */
export function pngWithHeader(width: number, height: number): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(100))), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts])
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length)
  bytes.write(type, 4, 'latin1')
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}
