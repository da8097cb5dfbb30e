import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identity } from './models.ts'
import { startServer, type Harness, type Message } from './support.ts'

let harness: Harness
beforeAll(async () => {
  harness = await startServer({ identity })
})
afterAll(() => harness.close())

interface Reflected {
  readonly list_services_response: { readonly service: readonly { readonly name: string }[] } | null
  readonly file_descriptor_response: { readonly file_descriptor_proto: readonly Buffer[] } | null
  readonly error_response: { readonly error_code: number; readonly error_message: string } | null
  readonly original_request: Message
}

function ask(question: Message, version = 'v1'): Promise<Reflected> {
  const call = harness.connect(`grpc.reflection.${version}.ServerReflection`).duplex('ServerReflectionInfo')
  return new Promise((resolve, reject) => {
    call.on('data', resolve)
    call.on('error', reject)
    call.write(question)
    call.end()
  })
}

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])('lists the services by %s', async (version) => {
    const { list_services_response } = await ask({ list_services: '' }, version)
    expect(list_services_response?.service.map(({ name }) => name)).toEqual([
      'inference.GRPCInferenceService',
      'tensorflow.serving.PredictionService',
      'tensorflow.serving.ModelService',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ])
  })

  it.each([
    'inference.GRPCInferenceService',
    'inference.GRPCInferenceService.ModelInfer',
    'tensorflow.serving.PredictionService.Predict',
    'tensorflow.TensorShapeProto.Dim',
    'inference.ModelInferRequest.InferInputTensor',
    'grpc.health.v1.HealthCheckResponse.ServingStatus',
    'grpc.reflection.v1.ServerReflection',
  ])('describes the file that defines %s', async (symbol) => {
    const { file_descriptor_response, original_request } = await ask({ file_containing_symbol: symbol })
    const [file] = file_descriptor_response?.file_descriptor_proto ?? []
    expect(file?.includes(symbol.split('.').at(-1) ?? '')).toBe(true)
    expect(original_request).toMatchObject({ file_containing_symbol: symbol })
  })

  it.each([
    ['inference.ModelMetadataResponse', 'PropertiesEntry', 'the entry of a map has the name that protoc gives it'],
    ['inference.ModelInferRequest', '.inference.InferParameter', 'the type of a field is absolute'],
    ['inference.ModelInferRequest', '.inference.ModelInferRequest.ParametersEntry', 'so is that of a map'],
    ['tensorflow.Features', '.tensorflow.Features.FeatureEntry', 'an entry is not mistaken for a message'],
    ['tensorflow.serving.PredictRequest', '\x1a\x10tensorflow.proto', 'a file names those that it depends on'],
  ])('describes %s with %j: %s', async (symbol, part) => {
    const { file_descriptor_response } = await ask({ file_containing_symbol: symbol })
    expect(file_descriptor_response?.file_descriptor_proto[0]?.includes(part)).toBe(true)
  })

  it('keeps the names of fields', async () => {
    const { file_descriptor_response } = await ask({ file_containing_symbol: 'inference.ModelInferRequest' })
    expect(file_descriptor_response?.file_descriptor_proto[0]?.includes('raw_input_contents')).toBe(true)
  })

  it('finds a file by its name', async () => {
    const { file_descriptor_response } = await ask({ file_by_filename: 'inference.proto' })
    expect(file_descriptor_response?.file_descriptor_proto).toHaveLength(1)
  })

  it('answers what it does not know with NOT_FOUND in the stream', async () => {
    expect((await ask({ file_containing_symbol: 'no.Such' })).error_response).toEqual({
      error_code: 5,
      error_message: "no symbol 'no.Such'",
    })
  })
})
