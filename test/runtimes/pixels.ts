/** A picture as a tensor's elements, as golden.json describes it: (pixel - mean) / std in float32. */
import sharp from 'sharp'

interface PixelOptions {
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** NCHW instead of NHWC. */
  readonly isPlanar: boolean
  readonly isBgr: boolean
}

export async function readPixels(file: string, options: PixelOptions): Promise<Float32Array> {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const { channels } = info
  const count = info.width * info.height
  const pixels = new Float32Array(count * channels)
  for (let pixel = 0; pixel < count; pixel += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const source = options.isBgr ? channels - 1 - channel : channel
      const value =
        ((data[pixel * channels + source] ?? 0) - (options.mean[channel] ?? 0)) / (options.std[channel] ?? 1)
      pixels[options.isPlanar ? channel * count + pixel : pixel * channels + channel] = value
    }
  }
  return pixels
}
