/** Requests, responses and contexts for tests of hooks. */
import type { InferenceRequest, InferenceResponse, RequestContext } from '../../src/core/inference.ts'
import type { TensorMetadata } from '../../src/core/model.ts'
import type { Signature } from '../../src/core/signature.ts'
import { tensor, type DataType, type Tensor } from '../../src/core/tensor.ts'

export function context(signal?: RequestContext['signal']): RequestContext {
  return { requestId: 'r1', protocol: 'v2', signal: signal ?? new AbortController().signal, headers: {} }
}

export function requestWith(...inputs: Tensor[]): InferenceRequest {
  return { model: { name: 'm' }, inputs }
}

export function responseWith(...outputs: Tensor[]): InferenceResponse {
  return { model: { name: 'm', version: '1' }, outputs }
}

/** BYTES `[n]`. */
export function encoded(name: string, ...elements: Uint8Array[]): Tensor {
  return tensor(name, 'BYTES', [elements.length], elements)
}

export function metadataOf(name: string, datatype: DataType, shape: readonly number[]): TensorMetadata {
  return { name, datatype, shape }
}

export function signatureOf(inputs: readonly TensorMetadata[], outputs: readonly TensorMetadata[] = []): Signature {
  return { inputs, outputs }
}
