/** Pictures of every kind become the tensor that the model takes, and hostile ones a clear refusal. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { TensorMetadata } from '../../src/core/model.ts'
import { tensor, type Tensor } from '../../src/core/tensor.ts'
import { createImageHook } from '../../src/hooks/image-hook.ts'
import { imageOptions } from '../../src/hooks/image-options.ts'
import { fixtures, samples } from '../paths.ts'
import { context, encoded, metadataOf, requestWith, signatureOf } from './calls.ts'
import { picture, pngWithHeader } from './images.ts'

const nhwc = (channels: number, width = 2, height = 1) => metadataOf('x', 'UINT8', [-1, height, width, channels])
const hookFor = (input: TensorMetadata, options: object = {}) =>
  createImageHook(imageOptions.parse({ layout: 'NHWC', kernel: 'nearest', ...options }), signatureOf([input]))

async function preprocess(input: Tensor, metadata: TensorMetadata, options: object = {}): Promise<Tensor | undefined> {
  const hook = await hookFor(metadata, options)
  return (await hook.preprocess?.(requestWith(input), context()))?.inputs[0]
}

/** The elements that one picture becomes. */
async function elements(bytes: Uint8Array, metadata: TensorMetadata, options: object = {}): Promise<unknown[]> {
  return [...((await preprocess(encoded('x', bytes), metadata, options))?.data ?? [])]
}

const redBlue = [255, 0, 0, 0, 0, 255]

describe('the tensor', () => {
  it('has the layout, order and datatype that model and options say', async () => {
    const png = await picture(redBlue).png().toBuffer()
    expect(await preprocess(encoded('x', png, png), nhwc(3))).toEqual(
      tensor('x', 'UINT8', [2, 1, 2, 3], Uint8Array.from([...redBlue, ...redBlue])),
    )
    const planar = metadataOf('x', 'FP32', [-1, 3, 1, 2])
    expect(await preprocess(encoded('x', png), planar, { layout: undefined })).toEqual(
      tensor('x', 'FP32', [1, 3, 1, 2], Float32Array.from([255, 0, 0, 0, 0, 255])),
    )
    expect(await elements(png, planar, { layout: undefined, order: 'bgr' })).toEqual([0, 255, 0, 0, 255, 0])
    expect(await elements(png, nhwc(3), { order: 'bgr' })).toEqual([0, 0, 255, 255, 0, 0])
  })

  it('holds ((pixel * scale) - mean) / std per channel', async () => {
    const png = await picture(redBlue).png().toBuffer()
    const options = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    const values = await elements(png, { ...nhwc(3), datatype: 'FP64' }, options)
    const [r, g, b] = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    expect(values).toEqual([r, g, b, (0 - 0.485) / 0.229, g, (1 - 0.406) / 0.225])
    // 1.5 and -0.5 as half floats, and integers kept in their range
    expect(await elements(png, { ...nhwc(3), datatype: 'FP16' }, { scale: 2 / 255, mean: 0.5 })).toEqual([
      0x3e00, 0xb800, 0xb800, 0xb800, 0xb800, 0x3e00,
    ])
    expect(await elements(png, { ...nhwc(3), datatype: 'BF16' }, { scale: 1 / 255 })).toEqual([
      0x3f80, 0, 0, 0, 0, 0x3f80,
    ])
    expect(await elements(png, { ...nhwc(3), datatype: 'INT8' }, { mean: 128 })).toEqual([
      127, -128, -128, -128, -128, 127,
    ])
    expect(await elements(png, nhwc(3), { scale: 2 })).toEqual(redBlue)
  })

  it('agrees with the golden pixels of the digits, whatever their size', async () => {
    interface Golden {
      cases: { name: string; inputs: { data: number[] }[] }[]
    }
    const golden = JSON.parse(await readFile(join(fixtures, 'goldens', 'digits.json'), 'utf8')) as Golden
    for (const digit of ['digit3', 'digit7']) {
      const expected = golden.cases.find(({ name }) => name === `${digit}_8x8.png`)?.inputs[0]?.data ?? []
      for (const size of ['8x8', '128x128']) {
        const png = await readFile(join(samples, 'digits', 'samples', `${digit}_${size}.png`))
        const input = await preprocess(encoded('image', png), metadataOf('image', 'FP32', [-1, 1, 8, 8]), {
          layout: undefined,
          scale: 0.00392156862745098,
        })
        expect(input?.shape).toEqual([1, 1, 8, 8])
        const worst = Math.max(...expected.map((value, index) => Math.abs(value - Number(input?.data[index]))))
        expect(worst).toBeLessThan(1e-7)
      }
    }
  })
})

describe('kinds of pictures', () => {
  it.each(['png', 'webp', 'gif', 'tiff'] as const)('%s without loss', async (format) => {
    const lossless = { webp: { lossless: true }, tiff: { compression: 'lzw' }, png: {}, gif: {} } as const
    const bytes = await picture(redBlue).toFormat(format, lossless[format]).toBuffer()
    expect(await elements(bytes, nhwc(3))).toEqual(redBlue)
  })
  it('jpeg nearly so', async () => {
    const bytes = await picture([200, 200, 200, 200, 200, 200]).jpeg({ quality: 100 }).toBuffer()
    for (const value of await elements(bytes, nhwc(3))) expect(Math.abs(Number(value) - 200)).toBeLessThan(3)
  })
  it('colour to grey by ITU-R 601, grey to grey unchanged, grey to colour', async () => {
    expect(await elements(await picture(redBlue).png().toBuffer(), nhwc(1))).toEqual([76, 29])
    const grey = await picture([10, 200], { channels: 1 }).png().toBuffer()
    expect(await elements(grey, nhwc(1))).toEqual([10, 200])
    expect(await elements(grey, nhwc(3))).toEqual([10, 10, 10, 200, 200, 200])
    expect(await elements(grey, nhwc(4))).toEqual([10, 10, 10, 255, 200, 200, 200, 255])
  })
  it('transparency over the background, or as the fourth channel', async () => {
    const png = await picture([255, 0, 0, 0, 0, 0, 255, 255], { channels: 4 }).png().toBuffer()
    expect(await elements(png, nhwc(3))).toEqual([0, 0, 0, 0, 0, 255])
    expect(await elements(png, nhwc(3), { background: [9, 8, 7] })).toEqual([9, 8, 7, 0, 0, 255])
    expect(await elements(png, nhwc(3), { background: 'white' })).toEqual([255, 255, 255, 0, 0, 255])
    expect(await elements(png, nhwc(4))).toEqual([255, 0, 0, 0, 0, 0, 255, 255])
    const grey = await picture([100, 0, 200, 255], { channels: 2 }).png().toBuffer()
    expect(await elements(grey, nhwc(1))).toEqual([0, 200])
  })
  it('16 bits', async () => {
    const raw = { width: 2, height: 1, depth: 'ushort' } as const
    const grey = sharp(Uint16Array.from([65535, 32768]), { raw: { ...raw, channels: 1 } })
    expect(await elements(await grey.toColourspace('grey16').png().toBuffer(), nhwc(1))).toEqual([255, 128])
    const colour = sharp(Uint16Array.from([65535, 0, 0, 0, 32768, 65535]), { raw: { ...raw, channels: 3 } })
    expect(await elements(await colour.toColourspace('rgb16').png().toBuffer(), nhwc(3))).toEqual([
      255, 0, 0, 0, 128, 255,
    ])
  })
  it('CMYK', async () => {
    const image = sharp({ create: { width: 2, height: 1, channels: 3, background: 'red' } })
    const [red, green, blue] = await elements(await image.toColourspace('cmyk').jpeg().toBuffer(), nhwc(3))
    expect(Number(red)).toBeGreaterThan(200)
    expect(Number(green) + Number(blue)).toBeLessThan(60)
  })
  it('turned as EXIF says', async () => {
    const image = picture([255, 255, 255, 0, 0, 0]).withMetadata({ orientation: 6 })
    expect(await elements(await image.webp({ lossless: true }).toBuffer(), nhwc(3, 1, 2))).toEqual([
      255, 255, 255, 0, 0, 0,
    ])
    const turned = picture([255, 255, 255, 0, 0, 0]).withMetadata({ orientation: 3 })
    expect(await elements(await turned.webp({ lossless: true }).toBuffer(), nhwc(3))).toEqual([0, 0, 0, 255, 255, 255])
  })
  it.each(['gif', 'webp'] as const)('the first frame of an animated %s', async (format) => {
    const frames = await Promise.all([redBlue, [0, 0, 0, 0, 0, 0]].map((pixels) => picture(pixels).png().toBuffer()))
    const image = sharp(frames, { join: { animated: true } })
    const bytes = await (format === 'gif' ? image.gif() : image.webp({ lossless: true })).toBuffer()
    expect((await sharp(bytes).metadata()).pages).toBe(2)
    expect(await elements(bytes, nhwc(3))).toEqual(redBlue)
  })
  it('resized by fill, contain and cover', async () => {
    const png = await picture(redBlue).png().toBuffer()
    const black = [1, 2, 3]
    const contain = await elements(png, nhwc(3, 2, 3), { fit: 'contain', background: black })
    expect(contain).toEqual([...black, ...black, ...redBlue, ...black, ...black])
    expect(await elements(png, nhwc(3, 2, 2))).toEqual([...redBlue, ...redBlue])
    expect((await elements(png, nhwc(3, 1, 1), { fit: 'cover' })).length).toBe(3)
  })
})

describe('what callers see', () => {
  it('is a BYTES input of any length; the other inputs stay', async () => {
    const other = metadataOf('other', 'FP32', [-1])
    const hook = await createImageHook(imageOptions.parse({ input: 'x', channels: 3 }), signatureOf([nhwc(3), other]))
    expect(hook.inputs).toEqual([metadataOf('x', 'BYTES', [-1]), other])
  })
  it('is the model itself for a tensor that is no BYTES, and for a request without the input', async () => {
    const hook = await hookFor(nhwc(3))
    const ready = requestWith(tensor('x', 'UINT8', [1, 1, 2, 3], Uint8Array.from(redBlue)))
    expect(await hook.preprocess?.(ready, context())).toBe(ready)
    const without = requestWith(tensor('y', 'BYTES', [0], []))
    expect(await hook.preprocess?.(without, context())).toBe(without)
  })
  it('takes [n,1], and no picture at all', async () => {
    const png = await picture(redBlue).png().toBuffer()
    expect((await preprocess(tensor('x', 'BYTES', [2, 1], [png, png]), nhwc(3)))?.shape).toEqual([2, 1, 2, 3])
    expect((await preprocess(tensor('x', 'BYTES', [0], []), nhwc(3)))?.shape).toEqual([0, 1, 2, 3])
    await expect(preprocess(tensor('x', 'BYTES', [1, 2], [png, png]), nhwc(3))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: "input 'x': encoded images have shape [n] or [n,1], got [1,2]",
    })
  })
  it('stops when the caller is gone', async () => {
    const hook = await hookFor(nhwc(3))
    const png = await picture(redBlue).png().toBuffer()
    const gone = AbortSignal.abort()
    await expect(hook.preprocess?.(requestWith(encoded('x', png)), context(gone))).rejects.toMatchObject({
      name: 'AbortError',
    })
  })
})

describe('hostile and broken pictures', () => {
  const noisy = () =>
    sharp({
      create: {
        width: 64,
        height: 64,
        channels: 3,
        background: 'red',
        noise: { type: 'gaussian', mean: 128, sigma: 30 },
      },
    })
  const refused = async (bytes: Uint8Array, options: object = {}) => {
    const good = await picture(redBlue).png().toBuffer()
    const error: unknown = await preprocess(encoded('x', good, bytes), nhwc(3), options).catch(
      (reason: unknown) => reason,
    )
    expect(error).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^input 'x' element 1 /) as string,
    })
    return error instanceof Error ? error.message : ''
  }

  it('refuses by the header what is too large', async () => {
    expect(await refused(pngWithHeader(50_000, 50_000))).toBe(
      "input 'x' element 1 is 50000 x 50000 pixels; at most 25000000 pixels are taken",
    )
    expect(await refused(await noisy().png().toBuffer(), { max_pixels: 4095 })).toContain(
      'is 64 x 64 pixels; at most 4095',
    )
    await preprocess(encoded('x', await noisy().png().toBuffer()), nhwc(3), { max_pixels: 4096 })
  })
  it('refuses a header that lies, and one of no size', async () => {
    expect(await refused(pngWithHeader(4000, 4000))).toContain('is no readable PNG image: ')
    expect(await refused(pngWithHeader(0, 1))).toContain('is no readable PNG image: ')
  })
  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff'] as const)('refuses a truncated %s', async (format) => {
    const bytes = await noisy().toFormat(format).toBuffer()
    for (const length of [Math.floor(bytes.length / 2), 40, 16]) {
      expect(await refused(bytes.subarray(0, length))).toMatch(/is no readable (PNG|JPEG|WebP|GIF|TIFF) image: .*[^:]$/)
    }
  })
  it.each([
    ['nothing', '', 'is empty; PNG, JPEG, WebP, GIF and TIFF are taken'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>', 'is SVG or other XML; '],
    ['SVG with a declaration', '<?xml version="1.0"?><svg/>', 'is SVG or other XML; '],
    ['text', 'hello', 'is no image; '],
    ['base64', 'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAA', 'is base64 text; send {"b64": "…"} in V1'],
    ['PDF', '%PDF-1.7', 'is no image; '],
  ])('refuses %s', async (_, text, reason) => {
    expect(await refused(new TextEncoder().encode(text))).toContain(reason)
  })
  it('refuses bytes by chance, with and without a good beginning', async () => {
    let seed = 1
    const random = () => (seed = (seed * 48271) % 2147483647) & 0xff
    const good = await noisy().png().toBuffer()
    for (let round = 0; round < 100; round += 1) {
      const bytes = Uint8Array.from({ length: 200 }, random)
      await refused(bytes)
      bytes.set(good.subarray(0, 8 + (round % 60)))
      await refused(bytes)
    }
  })
  it('refuses more pictures than fit into memory before it decodes one', async () => {
    const big = metadataOf('x', 'FP32', [-1, 3, 4096, 4096])
    const input = encoded('x', ...new Array<Uint8Array>(3).fill(new Uint8Array(1)))
    await expect(preprocess(input, big, { layout: undefined })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: "input 'x': 3 images in one request; at most 2 are taken",
    })
  })
})

describe('options that do not fit the model', () => {
  it.each([
    [{ width: 3 }, nhwc(3), "width: 3 does not fit the model's input 'x' [-1,1,2,3], which has 2"],
    [{ channels: 1 }, nhwc(3), "channels: 1 does not fit the model's input 'x' [-1,1,2,3], which has 3"],
    [{}, metadataOf('x', 'UINT8', [-1, -1, 2, 3]), "say height: the model's input 'x' [-1,-1,2,3] leaves it open"],
    [
      { layout: undefined },
      metadataOf('x', 'UINT8', [-1, 3, 2, 3]),
      "input 'x' does not tell where its channels are; say layout: NCHW",
    ],
    [{}, metadataOf('x', 'UINT8', [-1, 4]), "input 'x' has shape [-1,4]; pictures need four dimensions"],
    [{}, nhwc(2), "input 'x' has 2 channels; pictures have 1, 3 or 4; is layout: NHWC right?"],
    [{ input: 'y' }, nhwc(3), "there is no input 'y'; the model has 'x'"],
    [{ datatype: 'FP32' }, nhwc(3), "datatype: FP32 does not fit input 'x', which is UINT8"],
    [
      {},
      metadataOf('x', 'INT64', [-1, 1, 2, 3]),
      "input 'x' is INT64; pictures become UINT8, INT8, FP16, BF16, FP32 or FP64",
    ],
    [{ mean: [1, 2] }, nhwc(3), 'mean has 2 numbers; there are 3 channels'],
    [{ std: [1, 0, 1] }, nhwc(3), 'std must not be 0'],
    [{ background: 'nocolour' }, nhwc(3), 'background: "nocolour" is no colour'],
  ])('%j', async (options, input, message) => {
    await expect(hookFor(input, options)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(`hooks: image: ${message}`) as string,
    })
    expect.assertions(1)
  })
  it('asks which of several inputs is meant', async () => {
    const inputs = signatureOf([nhwc(3), { ...nhwc(3), name: 'z' }])
    await expect(createImageHook(imageOptions.parse({}), inputs)).rejects.toThrow(
      "say which input takes the pictures, as input: <name>; the model has 'x', 'z'",
    )
  })
})
