/** The tensor that pictures become: what the options say, completed from the model's own input. */
import { InferenceError } from '../core/errors.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { ImageOptions } from './image-options.ts'

export interface ImageTarget {
  /** Of the model's input. */
  readonly name: string
  readonly datatype: NonNullable<ImageOptions['datatype']>
  readonly layout: 'NCHW' | 'NHWC'
  readonly channels: 1 | 3 | 4
  /** Of the colours. */
  readonly order: 'rgb' | 'bgr'
  readonly width: number
  readonly height: number
  /** `[channels, height, width]` or `[height, width, channels]`. */
  readonly shape: readonly number[]
}

/** @throws InferenceError `failed_precondition` where options and model disagree, or neither says it */
export function imageTarget(options: ImageOptions, inputs: readonly TensorMetadata[]): ImageTarget {
  const input = imageInput(options, inputs)
  const rank4 = input.isAnyRank === true ? [-1, -1, -1, -1] : input.shape
  if (rank4.length !== 4) {
    throw broken(`input '${input.name}' has shape [${input.shape.join(',')}]; pictures need four dimensions`)
  }
  const layout = options.layout ?? layoutOf(rank4, options.channels)
  if (layout === undefined) throw broken(`input '${input.name}' does not tell where its channels are; say layout: NCHW`)
  const [channelsOf, heightOf, widthOf] =
    layout === 'NCHW' ? [rank4[1], rank4[2], rank4[3]] : [rank4[3], rank4[1], rank4[2]]
  const channels = agreed('channels', options.channels, channelsOf, input)
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw broken(`input '${input.name}' has ${channels} channels; pictures have 1, 3 or 4; is layout: ${layout} right?`)
  }
  const height = agreed('height', options.height, heightOf, input)
  const width = agreed('width', options.width, widthOf, input)
  return {
    name: input.name,
    datatype: datatypeOf(options, input),
    layout,
    channels,
    order: options.order,
    width,
    height,
    shape: layout === 'NCHW' ? [channels, height, width] : [height, width, channels],
  }
}

function imageInput({ input }: ImageOptions, inputs: readonly TensorMetadata[]): TensorMetadata {
  const names = inputs.map(({ name }) => `'${name}'`).join(', ')
  const [only, ...others] = input === undefined ? inputs : inputs.filter(({ name }) => name === input)
  if (only !== undefined && others.length === 0) return only
  const asked =
    input === undefined ? 'say which input takes the pictures, as input: <name>' : `there is no input '${input}'`
  throw broken(`${asked}; the model has ${names === '' ? 'none' : names}`)
}

/** The side with as many channels as are wanted, where only one of the two has. */
function layoutOf(shape: readonly number[], wanted: number | undefined): 'NCHW' | 'NHWC' | undefined {
  const counts = wanted === undefined ? [1, 3, 4] : [wanted]
  const [isFirst, isLast] = [counts.includes(shape[1] ?? 0), counts.includes(shape[3] ?? 0)]
  return isFirst === isLast ? undefined : isFirst ? 'NCHW' : 'NHWC'
}

function agreed(key: string, wanted: number | undefined, given: number | undefined, input: TensorMetadata): number {
  const fixed = given === undefined || given < 0 ? undefined : given
  const place = `the model's input '${input.name}' [${input.shape.join(',')}]`
  if (wanted !== undefined && fixed !== undefined && wanted !== fixed) {
    throw broken(`${key}: ${wanted} does not fit ${place}, which has ${fixed}`)
  }
  const value = wanted ?? fixed
  if (value === undefined) throw broken(`say ${key}: ${place} leaves it open`)
  return value
}

function datatypeOf({ datatype }: ImageOptions, input: TensorMetadata): ImageTarget['datatype'] {
  const own = input.datatype
  if (datatype !== undefined && datatype !== own)
    throw broken(`datatype: ${datatype} does not fit input '${input.name}', which is ${own}`)
  switch (own) {
    case 'UINT8':
    case 'INT8':
    case 'FP16':
    case 'BF16':
    case 'FP32':
    case 'FP64':
      return own
    case 'BOOL':
    case 'UINT16':
    case 'UINT32':
    case 'UINT64':
    case 'INT16':
    case 'INT32':
    case 'INT64':
    case 'BYTES':
      throw broken(`input '${input.name}' is ${own}; pictures become UINT8, INT8, FP16, BF16, FP32 or FP64`)
  }
}

function broken(message: string): InferenceError {
  return new InferenceError('failed_precondition', `hooks: image: ${message}`)
}
