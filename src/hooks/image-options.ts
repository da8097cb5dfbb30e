/** The keys of `hooks: - image:` in a model.yaml. */
import { z } from 'zod'

/** Pixels of one picture before it is resized: 25 megapixels take 75 MB while they are decoded. */
const defaultMaxPixels = 25_000_000

/** Width and height of the model's input: above this it is a typing mistake. */
const side = z.int().min(1).max(16_384)
const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(4)], {
  error: 'expected a number or a list with one number per channel',
})

/**
 * What is not given is read from the model's own input where that says it. Every element becomes
 * `((pixel * scale) - mean) / std`, the pixel being 0 to 255.
 */
export const imageOptions = z.strictObject({
  /** Name of the model's input; may be left out where it has only one. */
  input: z.string().min(1).optional(),
  width: side.optional(),
  height: side.optional(),
  /** 1 grey (ITU-R 601, as PIL and OpenCV), 3 colours, 4 colours and alpha. */
  channels: z.union([z.literal(1), z.literal(3), z.literal(4)], { error: 'expected 1, 3 or 4' }).optional(),
  /** Of the colours; `bgr` puts blue first, alpha stays last. */
  order: z.enum(['rgb', 'bgr']).default('rgb'),
  /** `fill` stretches, `contain` pads with the background, `cover` cuts the sides off. */
  fit: z.enum(['fill', 'contain', 'cover']).default('fill'),
  kernel: z.enum(['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3']).default('linear'),
  /** Behind transparent pixels and beside a contained picture: a CSS colour or `[r, g, b]`. */
  background: z
    .union([z.string().min(1), z.tuple([z.int(), z.int(), z.int()])], { error: 'expected a CSS colour or [r, g, b]' })
    .default('black'),
  scale: z.number().default(1),
  mean: perChannel.default(0),
  std: perChannel.default(1),
  layout: z.enum(['NCHW', 'NHWC']).optional(),
  datatype: z.enum(['UINT8', 'INT8', 'FP16', 'BF16', 'FP32', 'FP64']).optional(),
  max_pixels: z.int().min(1).max(1_000_000_000).default(defaultMaxPixels),
})

export type ImageOptions = z.infer<typeof imageOptions>
