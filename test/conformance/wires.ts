/** Each wire: a request in neutral form goes out, what comes back is brought into neutral form. Knows no codec of `src/`. */
import * as grpc from '@grpc/grpc-js'
import type { DataType } from '../../src/core/tensor.ts'
import { failure, type Answer, type Message, type TestClient } from '../grpc/support.ts'
import type { ServingClient } from '../grpc/tfserving-client.ts'
import { octets, pack, unpack } from './bytes.ts'
import type { Wire } from './cases.ts'
import { elementFrom, elementText, nestedText, parse } from './json.ts'
import { neutralTensor, tensorProto } from './tensor-proto.ts'
import type { NeutralAnswer, NeutralRequest, NeutralTensor, Outcome, ParameterValue } from './neutral.ts'

export interface Doors {
  /** `http://127.0.0.1:8080` */
  readonly http: string
  readonly rpc: TestClient
  readonly serving: ServingClient
}

type Send = (doors: Doors, request: NeutralRequest) => Promise<Outcome>

/** What a V1 answer holds: V1 has neither datatypes nor shapes. */
export interface V1Outcome {
  readonly v1: unknown
}

export const send: Readonly<Record<Exclude<Wire, 'V1 rows' | 'V1 columns'>, Send>> = {
  'REST JSON': (doors, request) => restInfer(doors, request, false),
  'REST binary': (doors, request) => restInfer(doors, request, true),
  'gRPC raw': (doors, request) => grpcInfer(doors, request, false),
  'gRPC typed': (doors, request) => grpcInfer(doors, request, true),
  'gRPC Predict': predict,
}

async function restInfer({ http }: Doors, request: NeutralRequest, isBinary: boolean): Promise<Outcome> {
  const tensors = isBinary ? request.inputs.map(pack) : []
  const inputs = request.inputs.map(({ name, datatype, shape, data }, index) => {
    const content = isBinary
      ? `"parameters":{"binary_data_size":${tensors[index]?.length}}`
      : `"data":[${data.map(elementText).join()}]`
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join()}],${content}}`
  })
  const fields = [`"inputs":[${inputs.join()}]`]
  if (request.id !== undefined) fields.push(`"id":${JSON.stringify(request.id)}`)
  if (request.outputs !== undefined) fields.push(`"outputs":${JSON.stringify(request.outputs.map(outputOf))}`)
  const parameters = { ...request.parameters, ...(isBinary ? { binary_data_output: true } : {}) }
  if (Object.keys(parameters).length > 0) fields.push(`"parameters":${JSON.stringify(parameters)}`)
  const header = Buffer.from(`{${fields.join()}}`)
  const response = await fetch(`${http}/v2/models/${pathOf(request)}/infer`, {
    method: 'POST',
    headers: isBinary ? { 'inference-header-content-length': String(header.length) } : {},
    body: Buffer.concat([header, ...tensors]),
  })
  return readRest(response)
}

function outputOf({ name, classification }: { readonly name: string; readonly classification?: number }): Message {
  return classification === undefined ? { name } : { name, parameters: { classification } }
}

function pathOf({ model, version }: NeutralRequest): string {
  return `${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${version}`}`
}

interface RestTensor {
  readonly name: string
  readonly datatype: DataType
  readonly shape: readonly number[]
  readonly data?: readonly unknown[]
  readonly parameters?: { readonly binary_data_size?: number }
}

interface RestAnswer {
  readonly error?: string
  readonly model_name: string
  readonly model_version: string
  readonly id?: string
  readonly outputs: readonly RestTensor[]
}

async function readRest(response: Response): Promise<Outcome> {
  const body = Buffer.from(await response.arrayBuffer())
  const length = Number(response.headers.get('inference-header-content-length') ?? body.length)
  const json = parse(body.subarray(0, length).toString()) as RestAnswer // what the protocol says; comparison finds the rest
  if (!response.ok) return { refusal: { status: String(response.status), message: json.error ?? '' } }
  let from = length
  const outputs = json.outputs.map(({ name, datatype, shape, data, parameters }): NeutralTensor => {
    const size = parameters?.binary_data_size
    if (size === undefined) return { name, datatype, shape, data: (data ?? []).map((v) => elementFrom(datatype, v)) }
    from += size
    return { name, datatype, shape, data: unpack(datatype, body.subarray(from - size, from)) }
  })
  return { answer: answerOf(json, outputs) }
}

function answerOf(
  { model_name, model_version, id }: Pick<RestAnswer, 'model_name' | 'model_version' | 'id'>,
  outputs: readonly NeutralTensor[],
): NeutralAnswer {
  return { model: model_name, version: model_version, ...(id === undefined ? {} : { id }), outputs }
}

const contentFields: Readonly<Partial<Record<DataType, string>>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
}

async function grpcInfer({ rpc }: Doors, request: NeutralRequest, isTyped: boolean): Promise<Outcome> {
  const call = rpc.call('ModelInfer', {
    model_name: request.model,
    ...(request.version === undefined ? {} : { model_version: request.version }),
    ...(request.id === undefined ? {} : { id: request.id }),
    parameters: grpcParameters(request.parameters ?? {}),
    inputs: request.inputs.map((input) => grpcInput(input, isTyped)),
    outputs: (request.outputs ?? []).map(({ name, classification }) => ({
      name,
      parameters: grpcParameters(classification === undefined ? {} : { classification }),
    })),
    ...(isTyped ? {} : { raw_input_contents: request.inputs.map(pack) }),
  })
  const [result] = await Promise.allSettled([call])
  if (result.status === 'fulfilled') return { answer: readGrpc(result.value) }
  const { code, details } = await failure(call)
  return { refusal: { status: grpc.status[code], message: details } }
}

function grpcInput({ name, datatype, shape, data }: NeutralTensor, isTyped: boolean): Message {
  if (!isTyped) return { name, datatype, shape: shape.map(String) }
  const elements = data.map((element) => {
    if (datatype === 'BYTES') return octets(element)
    return typeof element === 'bigint' ? String(element) : element
  })
  return { name, datatype, shape: shape.map(String), contents: { [contentFields[datatype] ?? '']: elements } }
}

function grpcParameters(parameters: Readonly<Record<string, ParameterValue>>): Message {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, grpcParameter(value)]))
}

function grpcParameter(value: ParameterValue): Message {
  if (typeof value === 'string') return { string_param: value }
  if (typeof value === 'boolean') return { bool_param: value }
  return Number.isInteger(value) ? { int64_param: String(value) } : { double_param: value }
}

function readGrpc(answer: Answer): NeutralAnswer {
  const outputs = answer.outputs.map(({ name, datatype, shape }, index): NeutralTensor => {
    const type = datatype as DataType // comparison finds any other
    return {
      name,
      datatype: type,
      shape: shape.map(Number),
      data: unpack(type, answer.raw_output_contents[index] ?? new Uint8Array()),
    }
  })
  return answerOf(answer, outputs)
}

async function predict({ serving }: Doors, request: NeutralRequest): Promise<Outcome> {
  const call = serving.call('Predict', {
    model_spec: {
      name: request.model,
      ...(request.version === undefined ? {} : { version: { value: request.version } }),
    },
    inputs: Object.fromEntries(request.inputs.map((input) => [input.name, tensorProto(input)])),
    output_filter: (request.outputs ?? []).map(({ name }) => name),
  })
  const [result] = await Promise.allSettled([call])
  if (result.status === 'rejected') {
    const { code, details } = await failure(call)
    return { refusal: { status: grpc.status[code], message: details } }
  }
  const { model_spec, outputs } = result.value
  const tensors = Object.entries(outputs).map(([name, proto]) => neutralTensor(name, proto))
  return { answer: { model: model_spec.name, version: model_spec.version.value, outputs: tensors } }
}

/** Sends a V1 request; the answer is what stands at `predictions` or `outputs`. */
export async function sendV1({ http }: Doors, request: NeutralRequest, wire: 'V1 rows' | 'V1 columns') {
  const response = await fetch(`${http}/v1/models/${pathOf(request)}:predict`, {
    method: 'POST',
    body:
      wire === 'V1 rows' ? `{"instances":${rowsText(request.inputs)}}` : `{"inputs":${columnsText(request.inputs)}}`,
  })
  const json = parse(await response.text()) as Readonly<Record<string, unknown>> // V1 answers objects
  if (!response.ok) return { refusal: { status: String(response.status), message: String(json['error']) } }
  return { v1: json[wire === 'V1 rows' ? 'predictions' : 'outputs'] }
}

/** Per row an object of all inputs. */
export function rowsText(tensors: readonly NeutralTensor[]): string {
  const rows = Math.max(...tensors.map(({ shape }) => shape[0] ?? 1))
  const texts = Array.from(
    { length: rows },
    (_, row) => `{${tensors.map((tensor) => named(rowOf(tensor, row))).join()}}`,
  )
  return `[${texts.join()}]`
}

export function columnsText(tensors: readonly NeutralTensor[]): string {
  return `{${tensors.map(named).join()}}`
}

function named({ name, shape, data }: NeutralTensor): string {
  return `${JSON.stringify(name)}:${nestedText(shape, data)}`
}

function rowOf({ shape, data, ...rest }: NeutralTensor, row: number): NeutralTensor {
  const stride = shape.slice(1).reduce((product, size) => product * size, 1)
  return { ...rest, shape: shape.slice(1), data: data.slice(row * stride, (row + 1) * stride) }
}

/** What V1 must answer for these outputs; a single one stands bare. */
export function expectedV1(outputs: readonly NeutralTensor[], wire: 'V1 rows' | 'V1 columns'): unknown {
  const [only] = outputs
  if (only !== undefined && outputs.length === 1) return parse(nestedText(only.shape, only.data))
  return parse(wire === 'V1 rows' ? rowsText(outputs) : columnsText(outputs))
}
