/** Tensors into the library and out of it. */
import { InferenceError, tensor } from '../../src/runtime/index.ts'
import type { DataType, Tensor } from '../../src/runtime/index.ts'
import type { Core, TfTensor } from './library.ts'

const dtypes: { readonly [D in DataType]?: string } = { FP32: 'float32', INT32: 'int32', BOOL: 'bool', BYTES: 'string' }

/** A view, not a copy: the elements are the session's own. */
export function send(core: Core, { name, datatype, shape, data }: Tensor): TfTensor {
  const dtype = dtypes[datatype]
  if (dtype === undefined)
    throw new InferenceError('invalid_argument', `input '${name}': TensorFlow.js has no ${datatype}`)
  return core.tensor(data, shape, dtype)
}

/**
 * A copy of an output's elements.
 *
 * @param datatype as the signature says, which is not always what the library computes in; absent: as it does
 * @throws InferenceError `internal` where texts were announced and numbers came, or the other way round
 */
export function receive(core: Core, name: string, datatype: DataType | undefined, output: TfTensor): Tensor {
  const { dtype, dataId } = output
  const shape = [...output.shape]
  const data = core.engine().readSync(dataId)
  if (isTexts(data)) {
    if (datatype !== undefined && datatype !== 'BYTES') throw different(name, datatype, dtype)
    return tensor(name, 'BYTES', shape, data)
  }
  const known = datatype ?? byDtype(dtype)
  if (known === 'FP32') return tensor(name, known, shape, Float32Array.from(data))
  if (known === 'INT32') return tensor(name, known, shape, Int32Array.from(data))
  if (known === 'BOOL') return tensor(name, known, shape, Uint8Array.from(data))
  throw different(name, datatype ?? 'a number', dtype)
}

function byDtype(dtype: string): DataType | undefined {
  return dtype === 'float32' ? 'FP32' : dtype === 'int32' ? 'INT32' : dtype === 'bool' ? 'BOOL' : undefined
}

function different(name: string, datatype: string, dtype: string): InferenceError {
  return new InferenceError('internal', `output '${name}' is ${dtype} in the library, its signature says ${datatype}`)
}

function isTexts(data: ReturnType<ReturnType<Core['engine']>['readSync']>): data is readonly Uint8Array[] {
  return Array.isArray(data)
}
