/** From 8-bit pixels to the elements of a tensor. */
import { InferenceError } from '../core/errors.ts'
import { allocate, type TensorData } from '../core/tensor.ts'
import { encodeHalf } from './half.ts'
import type { ImageOptions } from './image-options.ts'
import type { ImageTarget } from './image-target.ts'

type Elements = TensorData[ImageTarget['datatype']]

/**
 * What each of the 256 values becomes in each channel, `((pixel * scale) - mean) / std`, channel by channel in the order of
 * the tensor: `[channel * 256 + pixel]`. Integers are rounded and kept in their range.
 *
 * @throws InferenceError `failed_precondition` where mean or std do not have a number per channel, or std is 0
 */
export function elementTable(target: ImageTarget, { scale, mean, std }: ImageOptions): Elements {
  const { channels, datatype } = target
  const means = perChannel('mean', mean, channels)
  const stds = perChannel('std', std, channels)
  if (stds.includes(0)) throw broken('std must not be 0')
  const table = allocate(datatype, channels * 256)
  for (let channel = 0; channel < channels; channel += 1) {
    for (let pixel = 0; pixel < 256; pixel += 1) {
      const value = (pixel * scale - (means[channel] ?? 0)) / (stds[channel] ?? 1)
      table[channel * 256 + pixel] = encode(datatype, value)
    }
  }
  return table
}

function perChannel(key: string, given: number | readonly number[], channels: number): readonly number[] {
  if (typeof given === 'number') return new Array<number>(channels).fill(given)
  if (given.length === channels) return given
  throw broken(`${key} has ${given.length} numbers; there are ${channels} channels`)
}

function encode(datatype: ImageTarget['datatype'], value: number): number {
  switch (datatype) {
    case 'FP16':
    case 'BF16':
      return encodeHalf(datatype, value)
    case 'UINT8':
      return Math.min(255, Math.max(0, Math.round(value)))
    case 'INT8':
      return Math.min(127, Math.max(-128, Math.round(value)))
    case 'FP32':
    case 'FP64':
      return value
  }
}

export interface Pixels {
  /** Row by row, channels together. */
  readonly data: Uint8Array
  /** 1 or 2 (grey, alpha), 3 or 4 (colours, alpha). */
  readonly channels: number
}

/** Writes one picture, of the target's width and height, into `elements` from `offset` on. */
export function writePixels(
  elements: Elements,
  offset: number,
  pixels: Pixels,
  table: Elements,
  target: ImageTarget,
): void {
  const { data, channels: from } = pixels
  const count = target.width * target.height
  const isPlanar = target.layout === 'NCHW'
  for (let channel = 0; channel < target.channels; channel += 1) {
    const first = offset + (isPlanar ? channel * count : channel)
    const step = isPlanar ? 1 : target.channels
    const row = channel * 256
    if (target.channels === 1 && from >= 3) {
      for (let i = 0, at = first; i < count; i += 1, at += step) elements[at] = table[row + grey(data, i * from)] ?? 0
      continue
    }
    const source = sourceChannel(channel, from, target)
    for (let i = 0, at = first; i < count; i += 1, at += step)
      elements[at] = table[row + (data[i * from + source] ?? 0)] ?? 0
  }
}

/** Where the channel of the tensor lies in a pixel. */
function sourceChannel(channel: number, from: number, { order }: ImageTarget): number {
  if (channel === 3) return from - 1
  if (from < 3) return 0
  return order === 'bgr' ? 2 - channel : channel
}

/** Luma by ITU-R 601 in 16-bit fixed point, as PIL rounds it; grey pixels keep their value. */
function grey(data: Uint8Array, at: number): number {
  return ((data[at] ?? 0) * 19595 + (data[at + 1] ?? 0) * 38470 + (data[at + 2] ?? 0) * 7471 + 0x8000) >> 16
}

function broken(message: string): InferenceError {
  return new InferenceError('failed_precondition', `hooks: image: ${message}`)
}
