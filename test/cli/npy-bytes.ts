/** Makes .npy files, as numpy.save writes them. */

export interface NpyOptions {
  readonly descr: string
  readonly shape: readonly number[]
  readonly isFortranOrder?: boolean
  readonly version?: 1 | 2 | 3
}

export function npy(options: NpyOptions, data: Uint8Array): Buffer {
  const { descr, shape, isFortranOrder = false, version = 1 } = options
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const order = isFortranOrder ? 'True' : 'False'
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`
  const start = version === 1 ? 10 : 12
  const padded = `${text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1)}\n`
  const head = Buffer.alloc(start)
  head.write('\x93NUMPY', 'latin1')
  head[6] = version
  if (version === 1) head.writeUInt16LE(padded.length, 8)
  else head.writeUInt32LE(padded.length, 8)
  return Buffer.concat([head, Buffer.from(padded), data])
}
