/** Encoded pictures in, a tensor out: the image hook of a model.yaml, over sharp. */
import { availableParallelism } from 'node:os'
import type sharpPackage from 'sharp'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { InferenceRequest, RequestContext } from '../core/inference.ts'
import { Limiter } from '../core/limiter.ts'
import type { Hooks } from '../core/model.ts'
import type { Signature } from '../core/signature.ts'
import { allocate, elementBytes, elementCount, tensor, type Tensor } from '../core/tensor.ts'
import { imageKind, notAnImage } from './image-kind.ts'
import type { ImageOptions } from './image-options.ts'
import { imageTarget, type ImageTarget } from './image-target.ts'
import { elementTable, writePixels } from './pixels.ts'

/** Largest tensor that one request is decoded into: a body of tiny files could otherwise ask for any amount of memory. */
const maxTensorBytes = 512 * 1024 * 1024

type Sharp = typeof sharpPackage

/**
 * Decodes, resizes, colour-converts and normalises the pictures of one input: PNG, JPEG, WebP, GIF (first frame) or TIFF
 * (first page) bytes, BYTES `[n]` or `[n, 1]`, become `[n, channels, height, width]` or `[n, height, width, channels]`.
 * EXIF orientation is applied. Transparent pixels are laid over the background unless the model takes alpha. A tensor that
 * is not BYTES passes through unchanged: the caller has prepared it.
 *
 * @param inner the signature that the tensor must fit
 * @throws InferenceError `failed_precondition` where the options do not fit the model or sharp is not installed
 */
export async function createImageHook(options: ImageOptions, inner: Signature): Promise<Hooks> {
  const target = imageTarget(options, inner.inputs)
  const sharp = await importSharp()
  checkColour(sharp, options)
  const table = elementTable(target, options)
  const limiter = new Limiter(Math.max(2, availableParallelism()))

  async function decode(input: Extract<Tensor, { datatype: 'BYTES' }>, signal: AbortSignal): Promise<Tensor> {
    const count = countOf(input, target)
    const shape = [count, ...target.shape]
    const elements = allocate(target.datatype, elementCount(shape))
    const stride = elementCount(target.shape)
    await Promise.all(
      input.data.map((bytes, index) =>
        limiter.run(async () => {
          signal.throwIfAborted()
          const label = `input '${input.name}' element ${index}`
          const { data, info } = await decodeOne(sharp, bytes, { options, target, label })
          writePixels(elements, index * stride, { data, channels: info.channels }, table, target)
        }),
      ),
    )
    return tensor(target.name, target.datatype, shape, elements)
  }

  return {
    inputs: inner.inputs.map((input) =>
      input.name === target.name ? { name: input.name, datatype: 'BYTES', shape: [-1] } : input,
    ),
    preprocess: async (request: InferenceRequest, { signal }: RequestContext) => {
      const input = request.inputs.find(({ name }) => name === target.name)
      if (input?.datatype !== 'BYTES') return request
      const decoded = await decode(input, signal)
      return { ...request, inputs: request.inputs.map((other) => (other === input ? decoded : other)) }
    },
  }
}

/** Pictures in the input. @throws InferenceError `invalid_argument` where its shape is no list, or the tensor too large */
function countOf({ name, shape, data }: Extract<Tensor, { datatype: 'BYTES' }>, target: ImageTarget): number {
  const isList = shape.length === 1 || (shape.length === 2 && shape[1] === 1)
  if (!isList) {
    throw invalid(`input '${name}': encoded images have shape [n] or [n,1], got [${shape.join(',')}]`)
  }
  const bytesEach = elementCount(target.shape) * elementBytes(target.datatype)
  const most = Math.max(1, Math.floor(maxTensorBytes / bytesEach))
  if (data.length > most)
    throw invalid(`input '${name}': ${data.length} images in one request; at most ${most} are taken`)
  return data.length
}

interface Decoding {
  readonly options: ImageOptions
  readonly target: ImageTarget
  /** How a message names the picture. */
  readonly label: string
}

/** One picture as rows of 8-bit pixels. libvips compares the size in the header with the limit before it decodes anything. */
async function decodeOne(sharp: Sharp, bytes: Uint8Array, decoding: Decoding) {
  const { options, target, label } = decoding
  const kind = imageKind(bytes)
  if (kind === undefined) throw invalid(`${label} ${notAnImage(bytes)}`)
  const { fit, kernel } = options
  const background = colourOf(options)
  try {
    const image = sharp(bytes, { limitInputPixels: options.max_pixels, failOn: 'error', sequentialRead: true })
      .autoOrient()
      .resize({ width: target.width, height: target.height, fit, kernel, background })
      .toColourspace('srgb')
    const flat = target.channels === 4 ? image.ensureAlpha() : image.flatten({ background })
    return await flat.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  } catch (reason) {
    const detail = await refusal(sharp, bytes, messageOf(reason), options.max_pixels)
    const text = detail === undefined ? `is no readable ${kind} image: ${oneLine(messageOf(reason))}` : detail
    throw new InferenceError('invalid_argument', `${label} ${text}`, { cause: reason })
  }
}

/** What to say of a picture that is too large; undefined where it failed for another reason. */
async function refusal(sharp: Sharp, bytes: Uint8Array, message: string, most: number): Promise<string | undefined> {
  if (!message.includes('pixel limit')) return undefined
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata()
  return `is ${width} x ${height} pixels; at most ${most} pixels are taken`
}

/** libvips breaks its messages into lines. */
function oneLine(message: string): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/[:\s]+$/, '')
    .slice(0, 200)
}

function colourOf({ background }: ImageOptions) {
  if (typeof background === 'string') return background
  const [r, g, b] = background
  return { r, g, b }
}

async function importSharp(): Promise<Sharp> {
  try {
    return (await import('sharp')).default
  } catch (cause) {
    const text = `hooks: image needs the package sharp, which could not be loaded; install it: npm install sharp`
    throw new InferenceError('failed_precondition', text, { cause })
  }
}

function checkColour(sharp: Sharp, options: ImageOptions): void {
  try {
    sharp({ create: { width: 1, height: 1, channels: 3, background: colourOf(options) } })
  } catch (cause) {
    const text = `hooks: image: background: ${JSON.stringify(options.background)} is no colour`
    throw new InferenceError('failed_precondition', text, { cause })
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
